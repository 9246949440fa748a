//! Prices and statistics: of one symbol, of those that are named, or of all.

use super::{House, Query, Reply, bad_parameter, busy, combination, required};
use crate::exchange::{Form, Market};
use crate::limits::{day_weight, window_weight};
use std::net::IpAddr;

/// Whose prices are asked for.
#[derive(Debug, PartialEq, Eq)]
enum Whose {
    /// One symbol's: an object.
    One(String),
    /// Those of a few: a list.
    Some(Vec<String>),
    /// Everybody's: a list.
    All,
}

impl Whose {
    fn of(query: &Query, lists: bool) -> Result<Self, Reply> {
        match (query.get("symbol"), query.get("symbols").filter(|_| lists)) {
            (Some(_), Some(_)) => Err(combination()),
            (Some(symbol), None) => Ok(Self::One(symbol.clone())),
            (None, Some(list)) => match serde_json::from_str::<Vec<String>>(list) {
                Ok(symbols) if !symbols.is_empty() => Ok(Self::Some(symbols)),
                _ => Err(bad_parameter("symbols")),
            },
            (None, None) => Ok(Self::All),
        }
    }

    /// How many symbols are named; `None` for all.
    fn count(&self) -> Option<usize> {
        match self {
            Self::One(_) => Some(1),
            Self::Some(symbols) => Some(symbols.len()),
            Self::All => None,
        }
    }
}

impl House {
    pub(super) fn quotes(&mut self, from: IpAddr, query: &Query) -> Reply {
        let weights = if self.futures { (2, 5) } else { (2, 4) };
        self.simple(from, query, weights, |market, symbol, out| market.rest_quote(symbol, out))
    }

    pub(super) fn prices(&mut self, from: IpAddr, query: &Query) -> Reply {
        let weights = if self.futures { (1, 2) } else { (2, 4) };
        self.simple(from, query, weights, |market, symbol, out| market.rest_price(symbol, out))
    }

    pub(super) fn premiums(&mut self, from: IpAddr, query: &Query) -> Reply {
        self.simple(from, query, (1, 10), |market, symbol, out| market.rest_premium(symbol, out))
    }

    pub(super) fn days(&mut self, from: IpAddr, query: &Query) -> Reply {
        // Futures know one form, and no lists of a few.
        let futures = self.futures;
        let form = if futures { Ok(Form::Full) } else { form(query) };
        let (whose, form) = both(Whose::of(query, !futures), form);
        let weight = day_weight(whose.as_ref().map_or(Some(1), Whose::count), futures);
        self.told(from, weight, whose, |market, symbol, out| market.rest_day(symbol, form, out))
    }

    pub(super) fn windows(&mut self, from: IpAddr, query: &Query) -> Reply {
        let (whose, form) = both(Whose::of(query, true), form(query));
        let minutes = query.get("windowSize").map_or(Some(1_440), |size| minutes(size));
        let whose = match whose {
            // Nobody is told of all of them.
            Ok(Whose::All) => required(query, "symbol").map(|symbol| Whose::One(symbol.to_owned())),
            Ok(_) if minutes.is_none() => Err(bad_parameter("windowSize")),
            whose => whose,
        };
        let weight = window_weight(whose.as_ref().ok().and_then(Whose::count).unwrap_or(1));
        let minutes = minutes.unwrap_or(1_440);
        self.told(from, weight, whose, |market, symbol, out| market.rest_window(symbol, minutes, form, out))
    }

    /// What is told of one symbol at a time, for weight 2.
    pub(super) fn of_one(
        &mut self,
        from: IpAddr,
        query: &Query,
        tell: impl Fn(&Market, &str, &mut Vec<u8>) -> Option<()>,
    ) -> Reply {
        let whose = required(query, "symbol").map(|symbol| Whose::One(symbol.to_owned()));
        self.told(from, 2, whose, tell)
    }

    /// What weighs one thing for a symbol and another for more. Futures know no lists of a few.
    fn simple(
        &mut self,
        from: IpAddr,
        query: &Query,
        (one, more): (u32, u32),
        tell: impl Fn(&Market, &str, &mut Vec<u8>) -> Option<()>,
    ) -> Reply {
        let whose = Whose::of(query, !self.futures);
        let weight = if matches!(whose, Ok(Whose::Some(_) | Whose::All)) { more } else { one };
        self.told(from, weight, whose, tell)
    }

    fn told(
        &mut self,
        from: IpAddr,
        weight: u32,
        whose: Result<Whose, Reply>,
        tell: impl Fn(&Market, &str, &mut Vec<u8>) -> Option<()>,
    ) -> Reply {
        self.weighed(from, weight, |house| {
            let Some(floor) = house.floor() else { return busy() };
            let market = &floor.market;
            let symbols: Vec<String> = match whose {
                Err(refusal) => return refusal,
                Ok(Whose::One(symbol)) => {
                    return house.ask_market(|market| {
                        let mut out = Vec::new();
                        tell(market, &symbol, &mut out).map(|()| out)
                    });
                }
                Ok(Whose::Some(symbols)) => symbols,
                Ok(Whose::All) => market.symbols().map(str::to_owned).collect(),
            };
            house.ask_market(|market| {
                let mut out = vec![b'['];
                for (n, symbol) in symbols.iter().enumerate() {
                    out.extend_from_slice(if n == 0 { b"" } else { b"," });
                    tell(market, symbol, &mut out)?;
                }
                out.push(b']');
                Some(out)
            })
        })
    }
}

fn form(query: &Query) -> Result<Form, Reply> {
    match query.get("type").map(String::as_str) {
        None | Some("FULL") => Ok(Form::Full),
        Some("MINI") => Ok(Form::Mini),
        Some(_) => Err(bad_parameter("type")),
    }
}

/// Whose, and in which form; the first refusal of the two.
fn both(whose: Result<Whose, Reply>, form: Result<Form, Reply>) -> (Result<Whose, Reply>, Form) {
    match form {
        Ok(form) => (whose, form),
        Err(refusal) => (whose.and(Err(refusal)), Form::Full),
    }
}

/// `1m` to `59m`, `1h` to `23h`, `1d` to `7d`.
fn minutes(size: &str) -> Option<u64> {
    let (count, unit) = size.split_at_checked(size.len().checked_sub(1)?)?;
    let (most, minutes) = match unit {
        "m" => (59, 1),
        "h" => (23, 60),
        "d" => (7, 1_440),
        _ => return None,
    };
    let count: u64 = count.parse().ok()?;
    (1..=most).contains(&count).then_some(count * minutes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_have_the_sizes_of_the_venue() {
        let check = |size, expected| assert_eq!(minutes(size), expected, "{size}");
        check("1m", Some(1));
        check("59m", Some(59));
        check("60m", None);
        check("23h", Some(1_380));
        check("7d", Some(10_080));
        check("8d", None);
        check("0h", None);
        check("h", None);
        check("", None);
        check("1ü", None);
    }
}
