//! The JSON envelope.

use serde::Serialize;

use crate::data::update::{Data, Epoch, Kind, Source, Update};
use crate::time::Unix;

/// Field order of the envelope.
#[derive(Serialize)]
struct Envelope<'a> {
    r#type: Kind,
    topic: &'a str,
    epoch: Epoch,
    offset: u64,
    time: Option<Unix>,
    received: Unix,
    source: Source,
    #[serde(skip_serializing_if = "is_default")]
    merged: u32,
    #[serde(skip_serializing_if = "is_default")]
    late: bool,
    data: &'a Data,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Encodes one update as the JSON envelope, without a line end.
pub fn encode(update: &Update) -> String {
    let envelope = Envelope {
        r#type: update.kind,
        topic: update.topic.as_str(),
        epoch: update.epoch,
        offset: update.offset,
        time: update.time,
        received: update.received,
        source: update.source,
        merged: update.merged,
        late: update.late,
        data: &update.data,
    };
    // Writing to a string fails only if a map key is no string; all of ours are.
    serde_json::to_string(&envelope).unwrap_or_default()
}
