//! Whom a trouble of a venue hits, how hard, and how long its consequences may last.

use std::time::Duration;

use super::World;
use super::clock::SEC;
use super::plan::Strike;
use crate::house::{Kind, Scope, Trouble, When};
use crate::rng::Rng;

/// Until a connection that only seems to live has been found out, at the worst.
pub(super) const FOUND_OUT: u64 = 75 * SEC;
/// Candles end with the minutes of the world.
const MINUTE: u64 = 60 * SEC;

impl World {
    /// Decides whom a trouble hits and how hard; how long after its end its consequences may last.
    pub(super) fn aim(
        &self,
        trouble: &mut Trouble,
        host: usize,
        symbol: &str,
        strike: Strike,
        dice: &mut Rng,
    ) -> u64 {
        let Strike { lasts, pick, .. } = strike;
        let alone = Scope { symbol: Some(symbol.to_owned()), ..Scope::default() };
        match trouble.kind {
            Kind::Stall if dice.below(2) == 0 => {
                // One symbol falls mute alone, and for longer.
                trouble.scope = alone;
                trouble.lasts = Some(Duration::from_nanos(lasts + 70 * SEC));
                75 * SEC + FOUND_OUT
            }
            Kind::Stall => FOUND_OUT,
            Kind::Freeze => {
                trouble.scope = Scope { socket: self.some_socket(host, dice), ..Scope::default() };
                FOUND_OUT
            }
            Kind::Reset | Kind::Fin | Kind::Close | Kind::Shutdown => {
                trouble.scope = Scope { socket: self.some_socket(host, dice), ..Scope::default() };
                trouble.code = (trouble.kind == Kind::Close).then(|| pick_of(dice, &CLOSES));
                35 * SEC
            }
            Kind::NoPing | Kind::NoPong => {
                trouble.lasts = Some(Duration::from_nanos(6 * lasts));
                5 * lasts + FOUND_OUT
            }
            Kind::NoFinal => {
                // Until a minute has ended: only minutes are read.
                let left = MINUTE - self.now % MINUTE + 2 * SEC;
                trouble.lasts = Some(Duration::from_nanos(left));
                left.saturating_sub(lasts) + 35 * SEC
            }
            Kind::Refuse => {
                trouble.code = Some(pick_of(dice, &REFUSALS));
                5 * SEC
            }
            Kind::LateAck | Kind::LostAck | Kind::AckAfterData | Kind::WrongId | Kind::ErrorWithoutId => {
                50 * SEC
            }
            Kind::Flap | Kind::RepeatTrades => 5 * SEC,
            Kind::Restart | Kind::TradeHole | Kind::ZeroTrade => {
                trouble.scope = alone;
                25 * SEC
            }
            Kind::Huge => {
                trouble.when = When::OneIn { n: 20, seed: pick };
                trouble.times = Some(1 + dice.below(2));
                35 * SEC
            }
            kind if is_frame(kind) => {
                trouble.when = When::OneIn { n: 4 + dice.below(30), seed: pick };
                if dice.below(2) == 0 {
                    trouble.scope = alone;
                }
                35 * SEC
            }
            kind => {
                trouble.times = (kind == Kind::Teapot).then_some(1);
                trouble.code = (kind == Kind::Status).then(|| pick_of(dice, &STATUSES));
                25 * SEC
            }
        }
    }

    fn some_socket(&self, host: usize, dice: &mut Rng) -> Option<u64> {
        let sockets: Vec<u64> =
            self.hosts[host].open_links().filter_map(|(_, link)| Some(link.socket?.number())).collect();
        // One of them, or everything.
        if sockets.is_empty() || dice.below(3) == 0 {
            None
        } else {
            Some(sockets[dice.below(sockets.len() as u64) as usize])
        }
    }
}

const CLOSES: [u16; 14] =
    [1000, 1001, 1002, 1003, 1005, 1006, 1007, 1008, 1009, 1011, 1012, 1013, 3000, 4000];
const REFUSALS: [u16; 12] = [0, 200, 301, 400, 401, 403, 404, 408, 429, 451, 500, 503];
const STATUSES: [u16; 8] = [301, 400, 401, 404, 408, 500, 502, 504];

fn pick_of(dice: &mut Rng, from: &[u16]) -> u16 {
    from[dice.below(from.len() as u64) as usize]
}

/// Whether it makes messages that are JSON and yet nothing that a decoder can read.
pub(super) const fn is_odd(kind: Kind) -> bool {
    matches!(kind, Kind::Jump | Kind::WrongType | Kind::UnknownEvent | Kind::NullPrice)
}

/// Whether it matters only when something is dialled, subscribed or fetched.
pub(super) const fn needs_dials(kind: Kind) -> bool {
    let elsewhere = matches!(
        kind,
        Kind::Stall
            | Kind::Freeze
            | Kind::Reset
            | Kind::Fin
            | Kind::Close
            | Kind::Shutdown
            | Kind::NoPing
            | Kind::NoPong
            | Kind::Restart
            | Kind::TradeHole
            | Kind::ZeroTrade
            | Kind::Huge
    );
    !elsewhere && !is_frame(kind)
}

const fn is_frame(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Drop
            | Kind::Duplicate
            | Kind::Swap
            | Kind::Delay
            | Kind::Jump
            | Kind::Truncate
            | Kind::WrongType
            | Kind::BadUtf8
            | Kind::TwoValues
            | Kind::Blank
            | Kind::UnknownEvent
            | Kind::UnknownFields
            | Kind::NumberForString
            | Kind::NullPrice
            | Kind::Skew
            | Kind::NoFinal
            | Kind::Fragment
    )
}
