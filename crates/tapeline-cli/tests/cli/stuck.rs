//! A stderr that nobody reads.

use std::io::{PipeReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::process::{Folder, Running, tapeline};

/// A pipe that is full for as long as nobody reads.
struct Full {
    reader: PipeReader,
    filler: Child,
}

impl Full {
    /// The pipe, and its end for the program.
    fn new() -> (Self, Stdio) {
        let (reader, writer) = std::io::pipe().unwrap();
        // It writes until there is no room, and then waits for some.
        let filler = Command::new("yes").stdout(writer.try_clone().unwrap()).spawn().unwrap();
        (Self { reader, filler }, writer.into())
    }

    /// Reads until there is a line that fulfils `is`.
    fn told(&mut self, is: impl Fn(&str) -> bool) -> String {
        self.filler.kill().unwrap();
        let (mut text, mut piece) = (String::new(), vec![0; 64 << 10]);
        loop {
            let count = self.reader.read(&mut piece).unwrap();
            assert!(count > 0, "it was not told: {}", text.trim_start_matches("y\n"));
            text.push_str(std::str::from_utf8(&piece[..count]).unwrap());
            let whole = text.rfind('\n').map_or("", |end| &text[..end]);
            if let Some(line) = whole.lines().find(|line| is(line)) {
                return line.to_owned();
            }
        }
    }
}

impl Drop for Full {
    fn drop(&mut self) {
        let _ = self.filler.kill();
        let _ = self.filler.wait();
    }
}

/// What the gateway answers to a question for this path.
fn answer(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// A gateway that tells all and whose stderr nobody reads, and its address.
fn gateway(folder: &Folder, stderr: Stdio) -> (Running, String) {
    let mut command = tapeline(&["serve", "-vv", "--log", "json", "--set", "gateway.listen=127.0.0.1:0"]);
    let state = format!("state.dir={}", folder.path().join("state").display());
    let gateway = Running::start_with(command.args(["--set", &state]), stderr);
    let first = gateway.line();
    let address = first.strip_prefix("listening on http://").unwrap().to_owned();
    // Each of them is worth a line of the log: together they are more than may wait.
    for _ in 0..2_500 {
        let mut stream = TcpStream::connect(&address).unwrap();
        // It may be over before all is said.
        let _ = stream.write_all(b"this is no request\r\n\r\n");
        let _ = stream.read_to_end(&mut Vec::new());
    }
    (gateway, address)
}

#[test]
fn a_stderr_that_nobody_reads_stops_neither_the_service_nor_its_end() {
    let (full, stderr) = Full::new();
    let folder = Folder::new("stuck");
    let (mut gateway, address) = gateway(&folder, stderr);
    for path in ["/livez", "/metrics", "/api/v1/status"] {
        let answer = answer(&address, path);
        assert!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
    }
    gateway.signal("TERM");
    assert_eq!(gateway.code(), Some(0));
    drop(full);
}

#[test]
fn whoever_reads_stderr_again_is_told_how_much_is_missing() {
    let (mut full, stderr) = Full::new();
    let folder = Folder::new("missing");
    let (_gateway, _) = gateway(&folder, stderr);
    let told = full.told(|line| line.contains("lines of the log were dropped"));
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["level"], "warn");
    assert!(told["count"].as_u64().is_some_and(|count| (1..2_500).contains(&count)), "{told}");
}
