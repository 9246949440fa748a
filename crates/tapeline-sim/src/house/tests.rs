//! Claims about a house that needs neither sockets nor time.

use super::*;
use crate::exchange::MarketOptions;

const SECOND: u64 = 1_000_000_000;
const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

fn house(change: impl FnOnce(&mut HouseOptions)) -> House {
    let mut options = HouseOptions::new(MarketOptions::default());
    change(&mut options);
    House::new(options)
}

fn outputs(house: &mut House) -> Vec<(SocketId, Say)> {
    std::iter::from_fn(|| house.next_output()).collect()
}

#[test]
fn a_house_can_be_handed_to_another_thread() {
    fn needs_send<T: Send>(_: &T) {}
    needs_send(&house(|_| {}));
}

#[test]
fn the_size_of_the_steps_changes_nothing() {
    let run = |step: u64| {
        let mut house = house(|_| {});
        house.connect(0, HERE, "/stream?streams=btcusdt@depth@100ms/btcusdt@trade").unwrap();
        let mut now = 0;
        let mut all = Vec::new();
        while now < 30 * SECOND {
            now += step;
            house.advance(now);
            all.extend(outputs(&mut house));
        }
        all
    };
    let (fine, coarse) = (run(SECOND / 1_000), run(10 * SECOND));
    assert!(fine.len() > 500, "{}", fine.len());
    assert_eq!(fine, coarse);
}

#[test]
fn a_socket_hears_its_streams_pings_and_answers() {
    let mut house = house(|_| {});
    let socket = house.connect(0, HERE, "/ws").unwrap();
    house.receive(1, socket, Said::Text(r#"{"method":"SUBSCRIBE","params":["btcusdt@trade"],"id":1}"#));
    assert_eq!(outputs(&mut house), [(socket, Say::Text(r#"{"id":1,"result":null}"#.into()))]);
    house.advance(20 * SECOND);
    let said = outputs(&mut house);
    assert!(matches!(&said[0].1, Say::Text(text) if text.starts_with(br#"{"e":"trade""#)));
    let Some((_, Say::Ping(payload))) = said.last() else { panic!("a ping after 20 s") };
    house.receive(21 * SECOND, socket, Said::Pong(payload));
    assert_eq!((house.report().pings, house.report().pongs), (1, 1));
    assert!(house.deadline().unwrap() < 22 * SECOND);
}

#[test]
fn snapshots_are_the_truth_at_their_id() {
    let mut house = house(|_| {});
    let reply = house.request(5 * SECOND, HERE, "/api/v3/depth?symbol=BTCUSDT&limit=5000");
    let body: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
    let truth = house.truth("BTCUSDT", body["lastUpdateId"].as_u64()).unwrap();
    assert_eq!(body["bids"], serde_json::json!(truth.bids));
    assert_eq!(reply.header("x-mbx-used-weight-1m"), Some("250"));
}
