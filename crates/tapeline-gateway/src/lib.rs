//! The network face of Tapeline. Empty for now: nothing is served to other processes yet.
//!
//! What will live here, and nowhere else: the WebSocket stream for clients and its sub-protocols,
//! server-sent events, the HTTP interface with its metrics and health answers, authentication, the limits
//! towards clients, the compatibility paths, and the files of the dashboard. It reads the logs of the hub;
//! it never talks to a venue.
