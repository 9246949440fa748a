//! The wire format towards consumers. Known to nobody else but the gateway and the web client.

pub mod json;
