//! The settings of a house; the defaults are the venue's own.

use crate::dialect::ErrorShape;
use crate::exchange::MarketOptions;
use std::time::Duration;

/// What a house trades and which limits it keeps.
#[derive(Debug, Clone)]
pub struct HouseOptions {
    /// The market, and the seed of everything random in the house.
    pub market: MarketOptions,
    /// The wall clock at the house's time zero, Unix milliseconds.
    pub unix_ms_at_zero: u64,
    /// A market with an end, or at full speed, opens this long after the last connect or SUBSCRIBE.
    pub start_after: Duration,
    /// The most client messages in any sliding second, pings and pongs counted; `None` lets all pass.
    pub messages_per_second: Option<usize>,
    /// An address whose sockets were closed this often in five minutes for too many messages is refused …
    pub offences: u32,
    /// … for this long.
    pub refused_for: Duration,
    /// The most streams per socket: 1024 on spot, 200 on futures.
    pub streams: usize,
    /// The most connects per address in five minutes; `None` lets all in.
    pub connects: Option<usize>,
    /// Sockets open at a time; more are refused with 503.
    pub sockets: usize,
    /// The interval of pings: 20 s on spot, three minutes on futures.
    pub ping_every: Duration,
    /// A socket that has not answered a ping after this long is cut: 60 s on spot, ten minutes on futures.
    pub pong_within: Duration,
    /// A socket is cut when it is this old; the venue says 24 hours.
    pub lifetime: Option<Duration>,
    /// How long before the end of its lifetime a spot socket is sent `serverShutdown`; `None` tells nothing.
    pub shutdown_lead: Option<Duration>,
    /// Request weight per address and clock minute: 6,000 on spot, 2,400 on futures.
    pub weight: u32,
    /// The shape of error replies on sockets.
    pub error_shape: ErrorShape,
    /// The only API key that futures accept for what needs one; `None` accepts all of the right form.
    pub key: Option<String>,
}

impl HouseOptions {
    /// The venue's own limits around `market`, at 2026-01-05 12:00 UTC.
    pub const fn new(market: MarketOptions) -> Self {
        let mut options = Self::of(market.futures, market);
        if let Some(ms) = options.market.start_ms {
            options.unix_ms_at_zero = ms;
        }
        options
    }

    const fn of(futures: bool, market: MarketOptions) -> Self {
        let secs = Duration::from_secs;
        Self {
            market,
            unix_ms_at_zero: 1_767_614_400_000,
            start_after: Duration::from_millis(500),
            messages_per_second: Some(5),
            offences: 3,
            refused_for: secs(120),
            streams: if futures { 200 } else { 1_024 },
            connects: Some(300),
            sockets: 1_024,
            ping_every: if futures { secs(180) } else { secs(20) },
            pong_within: if futures { secs(600) } else { secs(60) },
            lifetime: Some(secs(24 * 3_600)),
            shutdown_lead: None,
            weight: if futures { 2_400 } else { 6_000 },
            error_shape: ErrorShape::Nested,
            key: None,
        }
    }
}
