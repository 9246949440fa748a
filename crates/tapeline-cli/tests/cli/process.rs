//! Running the built program: to its end, or alongside the test.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Nothing here takes nearly as long, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A folder of its own for each test, removed afterwards.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("tapeline-cli-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// A file that only its owner reads, as those with secrets must be.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        }
        path
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The program with these arguments, apart from the environment of whoever runs the tests.
pub(crate) fn tapeline(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tapeline"));
    command.args(arguments).stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("TAPELINE_") {
            command.env_remove(name);
        }
    }
    // No configuration lies there.
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    command
}

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs to the end.
pub(crate) fn run(arguments: &[&str]) -> Ended {
    end(&mut tapeline(arguments))
}

pub(crate) fn end(command: &mut Command) -> Ended {
    let out = command.output().unwrap();
    Ended {
        code: out.status.code(),
        stdout: String::from_utf8(out.stdout).unwrap(),
        stderr: String::from_utf8(out.stderr).unwrap(),
    }
}

/// A program that runs alongside the test; killed when dropped.
pub(crate) struct Running {
    child: Child,
    lines: Option<Receiver<String>>,
    stderr: Arc<Mutex<String>>,
    stderr_lines: Receiver<String>,
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut running = Self::start_with(command, Stdio::piped());
        let (told, stderr_lines) = channel();
        running.stderr_lines = stderr_lines;
        let (all, reader) =
            (Arc::clone(&running.stderr), BufReader::new(running.child.stderr.take().unwrap()));
        std::thread::spawn(move || {
            for line in reader.lines().map_while(Result::ok) {
                all.lock().unwrap().push_str(&format!("{line}\n"));
                let _ = told.send(line);
            }
        });
        running
    }

    /// The same, but its stderr goes there and is not read.
    pub(crate) fn start_with(command: &mut Command, stderr: Stdio) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(stderr).spawn().unwrap();
        // The command would keep its end of the pipe open.
        command.stderr(Stdio::null());
        let (lines, stdout) = channel();
        let reader = BufReader::new(child.stdout.take().unwrap());
        // Ends, and with it closes the pipe, as soon as the test wants no more lines.
        std::thread::spawn(move || {
            reader.lines().map_while(Result::ok).try_for_each(|line| lines.send(line))
        });
        Self { child, lines: Some(stdout), stderr: Arc::default(), stderr_lines: channel().1 }
    }

    /// The next line of stdout.
    #[track_caller]
    pub(crate) fn line(&self) -> String {
        match self.lines.as_ref().unwrap().recv_timeout(PATIENCE) {
            Ok(line) => line,
            Err(error) => panic!("no line: {error}; stderr: {}", self.stderr.lock().unwrap()),
        }
    }

    /// The next line of stdout that fulfils `is`.
    #[track_caller]
    pub(crate) fn line_where(&self, is: impl Fn(&str) -> bool) -> String {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            let line = self.line();
            if is(&line) {
                return line;
            }
        }
        panic!("no such line; stderr: {}", self.stderr.lock().unwrap());
    }

    /// The next line of stderr that fulfils `is`.
    #[track_caller]
    pub(crate) fn told(&self, is: impl Fn(&str) -> bool) -> String {
        loop {
            let line = self.stderr_lines.recv_timeout(PATIENCE).expect("nothing like it on stderr");
            if is(&line) {
                return line;
            }
        }
    }

    /// Reads no more of stdout.
    pub(crate) fn close_stdout(&mut self) {
        self.lines = None;
    }

    /// Sends a signal by name.
    pub(crate) fn signal(&self, name: &str) {
        let sent =
            Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits for the end; the exit code.
    #[track_caller]
    pub(crate) fn code(&mut self) -> Option<i32> {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            // Not a delay that anything depends on: only the price of looking.
            std::thread::park_timeout(Duration::from_millis(5));
        }
        panic!("still running; stderr: {}", self.stderr.lock().unwrap());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A simulator and its port.
pub(crate) fn simulator(arguments: &[&str]) -> (Running, u16) {
    let running = Running::start(tapeline(&["simulate", "--port", "0"]).args(arguments));
    let first = running.line();
    let port = first.strip_prefix("listening on http://127.0.0.1:").and_then(|port| port.parse().ok());
    (running, port.unwrap_or_else(|| panic!("the first line is {first:?}")))
}

/// `tapeline watch` of the market at `port`.
pub(crate) fn watch(port: u16, arguments: &[&str]) -> Command {
    let mut command = tapeline(&["watch"]);
    command.args(arguments);
    command.env("TAPELINE_VENUES__BINANCE__STREAMS", format!("[\"ws://127.0.0.1:{port}\"]"));
    command.env("TAPELINE_VENUES__BINANCE__REST", format!("[\"http://127.0.0.1:{port}\"]"));
    command
}

/// A port on which nobody listens.
pub(crate) fn dead_port() -> u16 {
    // Taken and given back: nothing else takes it within a test.
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A wire to an address that can be cut: what is open ends, what comes later passes.
pub(crate) struct Wire {
    address: std::net::SocketAddr,
    open: Arc<Mutex<Vec<std::net::TcpStream>>>,
}

impl Wire {
    pub(crate) fn to(upstream: &str) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let open: Arc<Mutex<Vec<std::net::TcpStream>>> = Arc::default();
        let (held, upstream) = (Arc::clone(&open), upstream.to_owned());
        std::thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                let far = std::net::TcpStream::connect(&upstream).unwrap();
                for (mut from, mut into) in [(&near, &far), (&far, &near)]
                    .map(|(from, into)| (from.try_clone().unwrap(), into.try_clone().unwrap()))
                {
                    std::thread::spawn(move || std::io::copy(&mut from, &mut into));
                }
                held.lock().unwrap().extend([near, far]);
            }
        });
        Self { address, open }
    }

    pub(crate) fn address(&self) -> std::net::SocketAddr {
        self.address
    }

    /// Ends everything that is open.
    pub(crate) fn cut(&self) {
        for socket in self.open.lock().unwrap().drain(..) {
            let _ = socket.shutdown(std::net::Shutdown::Both);
        }
    }
}
