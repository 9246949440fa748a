//! What the demo shows in words: its keys, what each fault does, and what to type in another terminal.

use std::net::SocketAddr;

use tapeline_gateway::GatewayConfig;

use super::faults::FAULTS;
use crate::view::text::{Line, Tone};

/// A command to try in another terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Suggested {
    /// What it shows.
    pub(crate) what: &'static str,
    /// The command in parts between which it may be broken.
    parts: Vec<String>,
}

/// What to type in another terminal, and what it shows.
pub(crate) fn commands(address: SocketAddr) -> [Suggested; 3] {
    of_program(&program(), address)
}

fn of_program(program: &str, address: SocketAddr) -> [Suggested; 3] {
    let url = format!("http://{address}");
    let mut status = vec![format!("{program} status")];
    if address != GatewayConfig::default().listen {
        status.push(format!("--gateway {url}"));
    }
    let watch = vec![format!("{program} watch binance:book:BTCUSDT"), format!("--gateway {url}")];
    let events = vec!["curl -N".to_owned(), format!("'{url}/api/v1/sse?topics=binance:trade:BTCUSDT'")];
    [
        Suggested { what: "its book", parts: watch },
        Suggested { what: "its lines and topics", parts: status },
        Suggested { what: "its trades, without this program", parts: events },
    ]
}

/// This program as it was called, so that the shell finds it again.
fn program() -> String {
    let called = std::env::args().next().filter(|name| !name.is_empty());
    quoted(&called.unwrap_or_else(|| "tapeline".to_owned()))
}

/// A word for a shell.
fn quoted(word: &str) -> String {
    let plain = |character: char| character.is_ascii_alphanumeric() || "/._-+:".contains(character);
    if word.chars().all(plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

impl Suggested {
    /// The command in one line.
    pub(crate) fn line(&self) -> String {
        self.parts.join(" ")
    }

    /// The command in lines of a usual terminal, such that a shell takes them as one.
    fn lines(&self) -> Vec<String> {
        const USUAL: usize = 80;
        let whole = format!("  {}", self.line());
        if whole.chars().count() <= USUAL {
            return vec![whole];
        }
        let last = self.parts.len().saturating_sub(1);
        let line = |(at, part): (usize, &String)| {
            format!("{}{part}{}", if at == 0 { "  " } else { "      " }, if at < last { " \\" } else { "" })
        };
        self.parts.iter().enumerate().map(line).collect()
    }
}

/// What to try, for below the figures.
pub(crate) fn help(suggested: &[Suggested]) -> Vec<Line> {
    let title = "A gateway serves this to other programs. Try in another terminal:";
    let mut lines = vec![Line::new().with(Tone::Strong, title)];
    for suggested in suggested {
        lines.push(Line::new().with(Tone::Dim, format!("{}:", suggested.what)));
        lines.extend(suggested.lines().into_iter().map(|line| Line::new().with(Tone::Plain, line)));
    }
    lines
}

/// The page of keys: one line per fault, what it does and what is to be seen then.
pub(crate) fn page(suggested: &[Suggested]) -> Vec<Line> {
    let mut lines =
        vec![Line::new().with(Tone::Accent, "tapeline ").with(Tone::Strong, "demo · keys"), Line::new()];
    let key = |key: char, name: &str| {
        Line::new().with(Tone::Strong, format!("{key} ")).with(Tone::Plain, format!("{name:<7}"))
    };
    lines.extend(FAULTS.iter().map(|fault| key(fault.key, fault.name).with(Tone::Dim, fault.seen)));
    lines.push(Line::new());
    lines.push(key('h', "help").with(Tone::Dim, "this page; any key closes it"));
    lines.push(key('q', "quit").with(Tone::Dim, "leave the demo; nothing stays behind"));
    lines.push(Line::new());
    lines.extend(help(suggested));
    lines
}

/// The keys and what they do, in a line.
pub(crate) fn footer() -> Line {
    let mut line = Line::new().with(Tone::Dim, "break: ");
    for fault in FAULTS {
        line.push(Tone::Strong, fault.key.to_string());
        line.push(Tone::Dim, format!(" {}  ", fault.name));
    }
    line.push(Tone::Dim, "·  ");
    line.with(Tone::Strong, "h").with(Tone::Dim, " help  ").with(Tone::Strong, "q").with(Tone::Dim, " quit")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_of_keys_fits_a_usual_terminal_and_has_a_line_per_fault() {
        let far = SocketAddr::from(([127, 0, 0, 1], 54_321));
        let page = page(&of_program("target/release/tapeline", far));
        assert!(page.len() <= 24, "{}", page.len());
        for line in &page {
            assert!(line.width() <= 80, "{}: {}", line.width(), line.render(200, false));
        }
        for fault in FAULTS {
            let line =
                |line: &Line| line.render(200, false).starts_with(&format!("{} {}", fault.key, fault.name));
            assert_eq!(page.iter().filter(|one| line(one)).count(), 1);
        }
    }

    #[test]
    fn commands_name_this_program_and_hold_nothing_that_a_shell_misreads() {
        let commands = of_program("target/release/tapeline", GatewayConfig::default().listen);
        assert_eq!(
            commands[0].line(),
            "target/release/tapeline watch binance:book:BTCUSDT --gateway http://127.0.0.1:8480"
        );
        assert_eq!(
            commands[0].lines(),
            [
                "  target/release/tapeline watch binance:book:BTCUSDT \\",
                "      --gateway http://127.0.0.1:8480"
            ]
        );
        assert_eq!(commands[1].line(), "target/release/tapeline status");
        assert!(commands.iter().all(|command| !command.line().contains('#')));
        assert_eq!(quoted("/a b/it's"), r"'/a b/it'\''s'");
    }
}
