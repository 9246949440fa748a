//! What troubles do to connections, answers and the market, and what happens later.

use super::kinds::{Kind, Place};
use super::trouble::Trouble;
use super::wire::{Reply, Say};
use super::{House, Stage};
use crate::dialect::Change;
use bytes::Bytes;
use serde_json::Value;

/// What is to happen to a socket at a later moment.
#[derive(Debug)]
pub(crate) enum Later {
    Say(Say),
    /// With this it ends.
    End(Say),
    /// It should have logged in by then.
    LoginDue,
    /// The key that it has shown ends.
    KeyEnds,
}

impl House {
    /// Plans something for a socket, `nanos` from now.
    pub(super) fn later(&mut self, nanos: u64, socket: u64, what: Later) {
        self.planned += 1;
        self.agenda.insert((self.now.saturating_add(nanos), self.planned), (socket, what));
    }

    /// Does the first thing that was planned.
    pub(super) fn carry_out(&mut self) {
        let Some((_, (socket, what))) = self.agenda.pop_first() else { return };
        match what {
            Later::Say(say) => self.say(socket, say),
            Later::End(farewell) => self.end(socket, farewell),
            Later::LoginDue => self.end_unknown(socket),
            Later::KeyEnds => self.end_with_key(socket),
        }
    }

    /// A trouble that does something at its beginning begins.
    pub(super) fn begin(&mut self, trouble: &Trouble) {
        if trouble.kind.place() == Place::Market {
            self.troubles.count(trouble.kind);
            return self.disturb_market(trouble);
        }
        let concerned: Vec<u64> =
            self.sockets.keys().copied().filter(|id| self.concerns(*id, trouble)).collect();
        let most = trouble.times.unwrap_or(u64::MAX);
        for (id, _) in concerned.into_iter().zip(0..most) {
            self.troubles.count(trouble.kind);
            self.strike_socket(id, trouble);
        }
    }

    /// Whether a socket is meant: by number, by the host that it called, and by a stream that it listens to.
    fn concerns(&self, id: u64, trouble: &Trouble) -> bool {
        let (scope, known) = (&trouble.scope, self.sockets.get(&id));
        let listens = scope.stream.is_none() && scope.symbol.is_none()
            || known.is_some_and(|s| s.session.streams.iter().any(|n| scope.has_stream(n)));
        scope.has_socket(id) && known.is_none_or(|s| scope.has_host(&s.host)) && listens
    }

    pub(super) fn strike_socket(&mut self, id: u64, trouble: &Trouble) {
        match trouble.kind {
            Kind::Freeze => {
                self.say(id, Say::Stall);
                if let Some(known) = self.sockets.get_mut(&id) {
                    known.frozen = true;
                }
            }
            Kind::Reset => self.end(id, Say::Reset(Bytes::from_static(b"{\"e\":\"trade\",\"E\":17"))),
            Kind::Fin => self.end(id, Say::Fin),
            Kind::Close => self.end(id, Say::Close { code: trouble.code.unwrap_or(1001), reason: "" }),
            Kind::Shutdown => {
                // Futures sockets have never been seen to be warned.
                if !self.futures {
                    self.warn(id);
                }
                self.later(trouble.nanos(10_000), id, Later::End(Say::Fin));
            }
            _ => {}
        }
    }

    /// What awaits a connect before it is let in.
    pub(super) fn refused(&mut self, host: &str) -> Option<Reply> {
        let concerns = |t: &Trouble| t.kind == Kind::Refuse && t.scope.has_host(host);
        let trouble = self.troubles.at(self.now, Place::Connect, concerns)?;
        self.troubles.count(Kind::Refuse);
        let reply = Reply::text(trouble.code.unwrap_or(503), "not now\n");
        Some(match trouble.by_ms {
            Some(_) => reply.with("retry-after", trouble.seconds(0).to_string()),
            None => reply,
        })
    }

    /// What awaits a socket that has just been let in.
    pub(super) fn welcome(&mut self, id: u64, host: &str) {
        let flap = |t: &Trouble| t.kind == Kind::Flap && t.scope.has_host(host) && t.scope.has_socket(id);
        if let Some(trouble) = self.troubles.at(self.now, Place::Connect, flap) {
            self.troubles.count(Kind::Flap);
            let at_random = 100 + self.dice.below(9_900);
            self.later(trouble.nanos(at_random as i64), id, Later::End(Say::Fin));
        }
        let lasting = |t: &Trouble| t.lasts.is_some() && t.scope.has_socket(id) && t.scope.has_host(host);
        if let Some(trouble) = self.troubles.at(self.now, Place::Socket, lasting) {
            self.troubles.count(trouble.kind);
            self.strike_socket(id, &trouble);
        }
    }

    /// A request on a socket, and what becomes of its answer.
    pub(super) fn request_on(&mut self, id: u64, text: &str) {
        let host = self.sockets.get(&id).map_or("", |known| &*known.host);
        let concerns = |t: &Trouble| t.scope.has_socket(id) && t.scope.has_host(host);
        let trouble = self.troubles.at(self.now, Place::Answer, concerns);
        if let Some(trouble) = &trouble {
            self.troubles.count(trouble.kind);
        }
        let kind = trouble.as_ref().map(|trouble| trouble.kind);
        if kind == Some(Kind::ErrorWithoutId) {
            self.report.request_errors += 1;
            let error = r#"{"error":{"code":2,"msg":"Invalid request: unknown error"}}"#;
            return self.say(id, Say::Text(Bytes::from_static(error.as_bytes())));
        }
        let login = self.login_on(id, text).map(|answer| (answer, Change::Nothing));
        let Some(known) = self.sockets.get_mut(&id) else { return };
        let (reply, change): (Bytes, Change) = login.unwrap_or_else(|| {
            let (reply, change) = known.session.request(text);
            (reply.into(), change)
        });
        match (kind, trouble) {
            (Some(Kind::LostAck), _) => {}
            (Some(Kind::AckAfterData), _) => known.answer_after_data(reply),
            (Some(Kind::LateAck), Some(trouble)) => {
                self.later(trouble.nanos(5_000), id, Later::Say(Say::Text(reply)));
            }
            (Some(Kind::WrongId), _) => self.say(id, Say::Text(with_wrong_id(&reply).into())),
            _ => self.say(id, Say::Text(reply)),
        }
        match change {
            Change::Nothing | Change::Combined(_) => {}
            Change::Added { fresh, again } => {
                self.note_again(id, &again);
                self.subscribe(id, &fresh);
            }
            Change::Removed(names) => names.iter().for_each(|name| self.routes.remove(id, name)),
            Change::Refused => self.report.request_errors += 1,
        }
    }

    /// Trades that a socket may have seen already, on a stream that it has just subscribed.
    pub(super) fn repeat_trades(&mut self, id: u64, name: &str, stream: u32) {
        let canonical = self.routes.names[stream as usize].clone();
        let host = self.sockets.get(&id).map_or("", |known| &*known.host);
        let concerns =
            |t: &Trouble| t.scope.has_socket(id) && t.scope.has_host(host) && t.scope.has_stream(&canonical);
        let Some(trouble) = self.troubles.at(self.now, Place::Subscribe, concerns) else { return };
        let count = trouble.code.unwrap_or(5).into();
        let Some(floor) = self.floor() else { return };
        let Some(trades) = floor.market.recent_trades(stream, count) else { return };
        self.troubles.count(Kind::RepeatTrades);
        let combined = self.sockets.get(&id).is_some_and(|known| known.session.combined);
        for payload in trades {
            let text =
                if combined { self.printer.combined(name, &payload) } else { self.printer.text(&[&payload]) };
            self.say(id, Say::Text(text));
        }
    }

    fn disturb_market(&mut self, trouble: &Trouble) {
        let Stage::Floor(floor) = &mut self.stage else { return };
        let concerned: Vec<String> =
            floor.market.symbols().filter(|s| trouble.scope.has_symbol(s)).map(str::to_owned).collect();
        for symbol in concerned {
            match trouble.kind {
                Kind::Restart => floor.market.restart(&symbol),
                Kind::TradeHole => floor.market.skip_trades(&symbol, trouble.code.unwrap_or(1).into()),
                Kind::ZeroTrade => floor.market.zero_trade(&symbol, &self.routes.wanted, &mut floor.frames),
                _ => {}
            }
        }
        self.tell();
    }
}

/// The answer to somebody else's request.
fn with_wrong_id(reply: &[u8]) -> String {
    let mut value: Value = serde_json::from_slice(reply).unwrap_or_default();
    if let Some(fields) = value.as_object_mut() {
        fields.insert("id".to_owned(), Value::from(987_654_321));
    }
    value.to_string()
}
