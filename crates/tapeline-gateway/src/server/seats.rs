//! How many connections there are, in all and of each address: a seat is leave for one of them.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// All seats.
#[derive(Debug)]
pub(crate) struct Seats {
    taken: Mutex<Taken>,
    refused: [AtomicU64; 3],
}

#[derive(Debug, Default)]
struct Taken {
    most: usize,
    most_per_ip: usize,
    all: usize,
    by_ip: HashMap<IpAddr, usize>,
}

/// Leave for one connection; dropping it gives it back.
#[derive(Debug)]
pub(crate) struct Seat {
    seats: std::sync::Weak<Seats>,
    ip: IpAddr,
}

/// Why there is no seat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Full {
    /// There are none at all.
    House,
    /// This address has all that one may have.
    Address,
    /// The descriptors that are left are kept for lines and files.
    Descriptors,
}

impl Seats {
    pub(crate) fn new(most: usize, most_per_ip: usize) -> Arc<Self> {
        let seats = Self { taken: Mutex::default(), refused: Default::default() };
        seats.allow(most, most_per_ip);
        Arc::new(seats)
    }

    /// So many are allowed from now on; nobody has to leave.
    pub(crate) fn allow(&self, most: usize, most_per_ip: usize) {
        let mut taken = lock(&self.taken);
        (taken.most, taken.most_per_ip) = (most, most_per_ip);
    }

    /// Takes a seat for somebody at `ip`.
    pub(crate) fn take(self: &Arc<Self>, ip: IpAddr) -> Result<Seat, Full> {
        let ip = counted(ip);
        let mut taken = lock(&self.taken);
        let Taken { most, most_per_ip, all, by_ip } = &mut *taken;
        if *all >= *most {
            return Err(self.refuse(Full::House));
        }
        let of_ip = by_ip.entry(ip).or_default();
        if *of_ip >= *most_per_ip {
            return Err(self.refuse(Full::Address));
        }
        *of_ip += 1;
        *all += 1;
        drop(taken);
        Ok(Seat { seats: Arc::downgrade(self), ip })
    }

    /// Counts one who is refused.
    pub(super) fn refuse(&self, full: Full) -> Full {
        self.refused[full as usize].fetch_add(1, Ordering::Relaxed);
        full
    }

    /// How many were refused for lack of seats.
    pub(crate) fn refused(&self, full: Full) -> u64 {
        self.refused[full as usize].load(Ordering::Relaxed)
    }

    /// How many are taken.
    pub(crate) fn taken(&self) -> usize {
        lock(&self.taken).all
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let Some(seats) = self.seats.upgrade() else { return };
        let mut taken = lock(&seats.taken);
        taken.all = taken.all.saturating_sub(1);
        if let Some(of_ip) = taken.by_ip.get_mut(&self.ip) {
            *of_ip -= 1;
            if *of_ip == 0 {
                taken.by_ip.remove(&self.ip);
            }
        }
    }
}

/// What is counted as one address: whoever has one address of IPv6 has all of its network.
fn counted(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(v6) if !v6.is_loopback() => {
            IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)))
        }
        ip => ip,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Every change is complete before the next one begins.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn seats_are_bounded_in_all_and_by_address_and_come_back() {
        let seats = Seats::new(3, 2);
        let first = seats.take(ip("192.0.2.1")).unwrap();
        let _second = seats.take(ip("::ffff:192.0.2.1")).unwrap();
        assert_eq!(seats.take(ip("192.0.2.1")).unwrap_err(), Full::Address);
        let _third = seats.take(ip("192.0.2.2")).unwrap();
        assert_eq!(seats.take(ip("192.0.2.3")).unwrap_err(), Full::House);
        assert_eq!((seats.refused(Full::Address), seats.refused(Full::House)), (1, 1));
        drop(first);
        assert_eq!(seats.taken(), 2);
        let third = seats.take(ip("192.0.2.1")).unwrap();
        seats.allow(4, 1);
        assert_eq!(seats.take(ip("192.0.2.1")).unwrap_err(), Full::Address);
        let _other = seats.take(ip("192.0.2.3")).unwrap();
        drop(third);
        assert_eq!(seats.taken(), 3);
    }

    #[test]
    fn a_network_of_ipv6_counts_as_one_address() {
        let seats = Seats::new(9, 1);
        let _seat = seats.take(ip("2001:db8::1")).unwrap();
        assert_eq!(seats.take(ip("2001:db8::ffff:2")).unwrap_err(), Full::Address);
        assert!(seats.take(ip("2001:db8:0:1::1")).is_ok());
    }
}
