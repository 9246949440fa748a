//! `tapeline serve`: a hub and its gateway, until somebody ends them.

mod reload;

use std::sync::Arc;

use serde_json::json;
use tapeline::settings::Settings;
use tapeline::{Chaos, Hub, HubConfig, Parts, StateDir, StateError};
use tapeline_gateway::about::{About, Declined};
use tapeline_gateway::config::{Limits, Timing};
use tapeline_gateway::{Gateway, GatewayConfig};
use tapeline_sim::drills;
use tokio::sync::Notify;

use super::config::load;
use crate::args::{Global, Serve};
use crate::exit::{Exit, Failed};
use crate::log;
use crate::out::print;
use crate::remote::token;
use crate::stop::{Asked, Stop};
use reload::Reloader;

/// File descriptors that are needed besides those of clients: lines, files, the system's.
const SPARE_FILES: u64 = 256;

/// Runs the command until a signal or an order ends it.
pub(crate) async fn run(args: &Serve, global: Global, stop: &mut Stop) -> Result<Exit, Failed> {
    let settings = load(&global)?;
    reload::logs(&global, &settings);
    tokio::spawn(log::tell_counts());
    files(&settings);
    let token = admin_token(&settings);
    let mut config = hub_config(&settings);
    config.state = state(&settings)?;
    config.chaos = chaos(args, &settings)?;
    let hub = Hub::new(config);
    let drain = Arc::new(Notify::new());
    let reloader = Arc::new(Reloader::new(global, settings.clone(), token.clone(), hub.clone()));
    let about = about(&settings, &reloader, &drain);
    let started = Gateway::start(gateway_config(&settings, token), hub.clone(), about).await;
    let gateway = match started {
        Ok(gateway) => gateway,
        Err(error) => {
            hub.shutdown().await;
            return Err(Failed::new(Exit::Failure, error).hint(
                "another program listens there? --set gateway.listen=127.0.0.1:0 takes any free port",
            ));
        }
    };
    reloader.serves(gateway.controls());
    print(&format!("listening on http://{}\n", gateway.address()))?;
    let venues: Vec<&str> = configured(&settings).collect();
    tracing::info!(address = %gateway.address(), venues = venues.join(" "), "serving");
    let parts = Arc::clone(hub.parts());
    let ended = loop {
        tokio::select! {
            asked = stop.asked_to() => match asked {
                Asked::Leave(exit) => break Ok(exit),
                Asked::Reload => reloader.told(),
            },
            () = drain.notified() => break Ok(Exit::Done),
            failed = cannot_go_on(&parts) => break Err(failed),
        }
    };
    tracing::info!("leaving: clients are told, requests are answered, lines are closed");
    tokio::select! {
        () = async { gateway.shutdown().await; hub.shutdown().await } => {}
        exit = stop.asked() => {
            tracing::warn!("leaving at once, as asked for a second time");
            return Ok(exit);
        }
    }
    tracing::info!("left in good order");
    ended
}

/// Resolves when a part crashed too often without which nothing is served: whoever runs the program may start it anew.
async fn cannot_go_on(parts: &Parts) -> Failed {
    let why = parts.failed().await;
    Failed::new(Exit::Internal, why).hint("keep the log and report it: it is a mistake of ours")
}

/// The venues that somebody said anything about.
fn configured(settings: &Settings) -> impl Iterator<Item = &'static str> {
    settings.venues.iter().filter(|(_, venue)| venue.configured).map(|(id, _)| *id)
}

fn about(settings: &Settings, reloader: &Arc<Reloader>, drain: &Arc<Notify>) -> About {
    let (reloader, drain) = (Arc::clone(reloader), Arc::clone(drain));
    About {
        config: settings.to_json(),
        venues: configured(settings).map(str::to_owned).collect(),
        drills: drills::catalogue(),
        play: Some(Arc::new(play)),
        reload: Some(Arc::new(move || reloader.reload())),
        drain: Some(Arc::new(move || {
            drain.notify_one();
            Ok(json!({"draining": true}))
        })),
        ..About::default()
    }
}

/// Plays a drill; the verdict as `tapeline drill run --json` tells it.
fn play(name: &str, seed: u64) -> Result<serde_json::Value, Declined> {
    let report = drills::run(name, seed).map_err(|why| Declined::Failed(why.to_string()))?;
    serde_json::to_value(drills::sum_up(seed, vec![report])).map_err(|why| Declined::Failed(why.to_string()))
}

/// Faults on purpose, if they are wanted. Whoever can connect could order them, if he had the token: so nobody else may
/// be able to connect.
fn chaos(args: &Serve, settings: &Settings) -> Result<Option<Arc<Chaos>>, Failed> {
    if !args.enable_chaos {
        return Ok(None);
    }
    let listen = settings.gateway.listen;
    if !listen.ip().is_loopback() {
        let why = format!(
            "--enable-chaos: other machines can connect to {listen}, and faults are for loopback only"
        );
        return Err(
            Failed::new(Exit::Usage, why).hint("leave it out, or --set gateway.listen=127.0.0.1:8480")
        );
    }
    tracing::warn!("faults on purpose are allowed: POST /api/v1/chaos/…");
    Ok(Some(Chaos::new()))
}

/// The state folder, if there is one that can be written; it is an error if another process has it: both together would
/// ask more of the venues than they allow.
fn state(settings: &Settings) -> Result<Option<Arc<StateDir>>, Failed> {
    let Some(folder) = &settings.state.dir else { return Ok(None) };
    match StateDir::open(folder, settings.state.event_log) {
        Ok(state) => Ok(Some(state)),
        Err(error @ StateError::Busy { .. }) => Err(Failed::new(Exit::Failure, error)),
        Err(error) => {
            tracing::warn!(%error, "bans and dial times will not outlive this process, and no events are written");
            Ok(None)
        }
    }
}

/// What the hub is told. All clients of the gateway read through the same few subscribers: what one client may
/// have is the gateway's to judge, not the feeds'.
fn hub_config(settings: &Settings) -> HubConfig {
    let mut config = HubConfig::from(settings);
    for venue in config.venues.values_mut() {
        venue.feed.limits.topics_per_client = venue.feed.limits.topics;
    }
    config
}

fn gateway_config(settings: &Settings, admin_token: Option<String>) -> GatewayConfig {
    let (gateway, limits) = (&settings.gateway, &settings.limits);
    let usual = Limits::default();
    GatewayConfig {
        listen: gateway.listen,
        admin_token,
        allowed_hosts: gateway.allowed_hosts.clone(),
        allowed_origins: gateway.allowed_origins.clone(),
        throttle: settings.timing.throttle,
        limits: Limits {
            connections: gateway.connections,
            connections_per_ip: gateway.connections_per_ip,
            header_bytes: gateway.header_bytes,
            message_bytes: gateway.message_bytes,
            messages_per_second: gateway.messages_per_second,
            topics_per_client: limits.topics_per_client,
            unsent_bytes: gateway.unsent_bytes,
            log_bytes: limits.log_bytes,
            logs_bytes: limits.logs_bytes,
            shards: if gateway.shards == 0 { usual.shards } else { gateway.shards },
        },
        timing: Timing {
            header_within: gateway.header_within,
            idle: gateway.idle,
            ping_every: gateway.ping_every,
            pong_within: gateway.pong_within,
            write_within: gateway.write_within,
            history: settings.timing.history,
            drain_within: gateway.drain_within,
            ..Timing::default()
        },
    }
}

/// The token for calls that change something; without one they are all refused, and the rest works.
fn admin_token(settings: &Settings) -> Option<String> {
    let place = token::place(settings).map(|file| file.display().to_string()).unwrap_or_default();
    match token::own(settings) {
        Ok(Some(token)) => {
            tracing::info!(file = place, "operator calls need the admin token in this file");
            Some(token)
        }
        Ok(None) => {
            tracing::warn!(
                "there is no state folder for an admin token: all operator calls are refused; set `state.dir`"
            );
            None
        }
        Err(error) => {
            tracing::warn!(file = place, %error, "no admin token can be kept there: all operator calls are refused");
            None
        }
    }
}

/// Takes as many file descriptors as the system gives, and says whether they suffice.
fn files(settings: &Settings) {
    let wanted = settings.gateway.connections as u64 + SPARE_FILES;
    // Nobody has asked for as many connections as there are by default.
    let usual = settings.gateway.connections == tapeline::settings::Gateway::default().connections;
    match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(files) if files < wanted && usual => tracing::info!(
            files,
            wanted,
            "fewer file descriptors than the default of `gateway.connections`; enough for fewer clients"
        ),
        Ok(files) if files < wanted => tracing::warn!(
            files,
            wanted,
            "fewer file descriptors than connections are allowed; raise the limit (`ulimit -n`, LimitNOFILE=)"
        ),
        Ok(files) => tracing::info!(files, connections = settings.gateway.connections, "file descriptors"),
        Err(error) => tracing::warn!(%error, "the limit of file descriptors cannot be raised"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_program_that_cannot_go_on_ends_with_70_and_says_why() {
        let hub = Hub::new(HubConfig::default());
        let parts = Arc::clone(hub.parts());
        parts.keep_vital("the listener", || async { panic!("it breaks") }).await;
        let failed = cannot_go_on(&parts).await;
        assert_eq!(failed.exit.code(), 70);
        let said = failed.to_string();
        assert!(said.contains("the listener crashed too often") && said.contains("it breaks"), "{said}");
    }
}
