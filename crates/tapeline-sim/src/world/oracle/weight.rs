//! What a request costs, by the venue's own table.

/// What a request for a book weighs, by the venue's table.
pub(super) fn of(url: &str) -> u32 {
    let limit = super::message::number_after(url.as_bytes(), b"limit=");
    let limit = limit.unwrap_or(if is_futures(url) { 500 } else { 100 });
    let steps = if is_futures(url) {
        [(50, 2), (100, 5), (500, 10), (u64::MAX, 20)]
    } else {
        [(100, 5), (500, 25), (1_000, 50), (u64::MAX, 250)]
    };
    steps.into_iter().find(|(most, _)| limit <= *most).map_or(0, |(_, weight)| weight)
}

/// The weight that the venue bears in a minute.
pub(super) fn borne(url: &str) -> u32 {
    if is_futures(url) { 2_400 } else { 6_000 }
}

fn is_futures(url: &str) -> bool {
    url.contains("/fapi/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_weigh_what_the_venue_says() {
        let check = |url: &str, expected: u32| assert_eq!(of(url), expected, "{url}");
        check("https://a/api/v3/depth?symbol=X&limit=1000", 50);
        check("https://a/api/v3/depth?symbol=X", 5);
        check("https://a/api/v3/depth?symbol=X&limit=5000", 250);
        check("https://a/fapi/v1/depth?symbol=X&limit=1000", 20);
    }
}
