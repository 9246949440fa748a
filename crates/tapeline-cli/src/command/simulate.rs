//! `tapeline simulate`: the venue itself, recorded or generated, on a loopback port.

use tapeline_sim::house::parse_script;
use tapeline_sim::{Content, Kind, MarketOptions, Options, Server, StartError, Symbol, Trouble, When};

use crate::args::{Every, Simulate};
use crate::exit::{Exit, Failed};
use crate::out::print;
use crate::stop::Stop;

/// Runs the command until a signal ends it.
pub(crate) async fn run(args: Simulate, stop: &mut Stop) -> Result<Exit, Failed> {
    let (port, tls) = (args.port, args.tls.clone());
    let options = Options { port, tls, troubles: troubles(&args)?, ..Options::new(content(&args)?) };
    let server = tokio::select! {
        server = Server::start(options) => server.map_err(|error| failed(&error, args.port))?,
        // Reading a large recording takes a while.
        exit = stop.asked() => return Ok(exit),
    };
    print(&format!("listening on {}\n", server.url()))?;
    tracing::info!(futures = server.is_futures(), "serving");
    let exit = tokio::select! {
        frames = server.finished() => {
            print(&format!("playback finished frames={frames}\n"))?;
            stop.asked().await
        }
        exit = stop.asked() => exit,
    };
    tracing::info!(report = ?server.report(), "leaving");
    server.shutdown().await;
    Ok(exit)
}

fn content(args: &Simulate) -> Result<Content, Failed> {
    if let Some(dir) = &args.capture {
        return Ok(Content::Capture { dir: dir.clone(), speed: args.speed });
    }
    let mut market = MarketOptions {
        seed: args.seed,
        rate: args.rate,
        speed: args.speed,
        frames: args.frames,
        ..MarketOptions::new(args.futures)
    };
    if !args.symbols.is_empty() {
        market.symbols = chosen(&market.symbols, &args.symbols)?;
    }
    Ok(Content::Market(market))
}

/// The symbols that were asked for, in the order in which they were.
fn chosen(listed: &[Symbol], asked: &[String]) -> Result<Vec<Symbol>, Failed> {
    let find = |name: &String| listed.iter().find(|symbol| symbol.name.eq_ignore_ascii_case(name)).cloned();
    let unknown = |name: &String| {
        let names: Vec<&str> = listed.iter().map(|symbol| symbol.name.as_str()).collect();
        Failed::new(Exit::Usage, format!("the generated market has no symbol `{name}`"))
            .hint(format!("it has {}", names.join(", ")))
    };
    asked.iter().map(|name| find(name).ok_or_else(|| unknown(name))).collect()
}

/// What the script orders, and what the options do.
fn troubles(args: &Simulate) -> Result<Vec<Trouble>, Failed> {
    let mut troubles = match &args.script {
        None => Vec::new(),
        Some(path) => {
            let named = |why: String| Failed::new(Exit::Usage, format!("{}: {why}", path.display()));
            let text = std::fs::read_to_string(path).map_err(|error| named(error.to_string()))?;
            let script = parse_script(&text).map_err(|bad| named(bad.to_string()));
            script.map_err(|failed| failed.hint("docs/simulator.md lists the kinds of trouble"))?
        }
    };
    let rules = [
        (Kind::Drop, &args.drop),
        (Kind::Duplicate, &args.duplicate),
        (Kind::Truncate, &args.truncate),
        (Kind::WrongType, &args.wrong_type),
    ];
    for (kind, rules) in rules {
        let of = |rule: &Every| Trouble::on_stream(kind, &rule.stream, When::Every(rule.nth));
        troubles.extend(rules.iter().map(of));
    }
    Ok(troubles)
}

fn failed(error: &StartError, port: u16) -> Failed {
    let failed = Failed::new(Exit::Failure, error);
    match error {
        StartError::Listen { .. } => failed.hint(format!(
            "something else uses port {port}; take another with --port, or any free one with --port 0"
        )),
        StartError::Capture(_) => failed
            .hint("--capture wants a folder with frames.ndjson, recv_*.txt and, if any, rest_depth.ndjson"),
        StartError::Authority { .. } => failed.hint("--tls wants a folder that can be written to"),
        _ => failed,
    }
}
