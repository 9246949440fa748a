//! An exchange on a loopback socket: it confirms what is asked of it and says what it is told to say.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tapeline_ws::{Connection, Limits, Message, ServerOptions};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::soon;

/// What clients did, in order; the number is the client's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Said {
    Opened(usize),
    Text(usize, String),
    Closed(usize),
}

enum Tell {
    Send(String),
    Cut,
}

/// The exchange. It ends when this is dropped.
pub(crate) struct Exchange {
    /// Where it listens.
    pub(crate) url: String,
    /// Connections accepted by the listener, whatever came of them.
    pub(crate) accepted: Arc<AtomicUsize>,
    clients: Arc<Mutex<BTreeMap<usize, mpsc::UnboundedSender<Tell>>>>,
    said: mpsc::UnboundedReceiver<Said>,
    _tasks: JoinSet<()>,
}

impl Exchange {
    /// An exchange without encryption.
    pub(crate) async fn open() -> Self {
        Self::start("ws", "127.0.0.1", None).await
    }

    /// An exchange behind TLS, to be reached by the name its certificate has.
    pub(crate) async fn encrypted(host: &str, tls: TlsAcceptor) -> Self {
        Self::start("wss", host, Some(tls)).await
    }

    async fn start(scheme: &str, host: &str, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("{scheme}://{host}:{}", listener.local_addr().unwrap().port());
        let clients: Arc<Mutex<BTreeMap<usize, mpsc::UnboundedSender<Tell>>>> = Arc::default();
        let accepted = Arc::new(AtomicUsize::new(0));
        let (say, said) = mpsc::unbounded_channel();
        let mut tasks = JoinSet::new();
        let (known, count) = (clients.clone(), accepted.clone());
        tasks.spawn(async move {
            let mut serving = JoinSet::new();
            loop {
                let (tcp, _) = listener.accept().await.unwrap();
                let id = count.fetch_add(1, Ordering::SeqCst);
                let (known, say, tls) = (known.clone(), say.clone(), tls.clone());
                serving.spawn(async move {
                    match tls {
                        None => serve(id, tcp, known, say).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(tcp).await {
                                serve(id, stream, known, say).await;
                            }
                        }
                    }
                });
            }
        });
        Self { url, accepted, clients, said, _tasks: tasks }
    }

    /// Says something to every client.
    pub(crate) fn send(&self, text: impl Into<String>) {
        let text = text.into();
        for client in self.clients.lock().unwrap().values() {
            let _ = client.send(Tell::Send(text.clone()));
        }
    }

    /// Cuts every client off without a goodbye.
    pub(crate) fn cut(&self) {
        for client in self.clients.lock().unwrap().values() {
            let _ = client.send(Tell::Cut);
        }
    }

    /// What a client did next.
    pub(crate) async fn heard(&mut self) -> Said {
        soon(self.said.recv()).await.expect("the exchange runs")
    }

    /// Waits for a text that holds `part`; everything before is passed over.
    pub(crate) async fn hears(&mut self, part: &str) -> String {
        loop {
            if let Said::Text(_, text) = self.heard().await
                && text.contains(part)
            {
                return text;
            }
        }
    }

    /// What was said and not yet listened to.
    pub(crate) fn rest(&mut self) -> Vec<Said> {
        std::iter::from_fn(|| self.said.try_recv().ok()).collect()
    }
}

async fn serve<IO: AsyncRead + AsyncWrite + Unpin>(
    id: usize,
    io: IO,
    clients: Arc<Mutex<BTreeMap<usize, mpsc::UnboundedSender<Tell>>>>,
    say: mpsc::UnboundedSender<Said>,
) {
    let options = ServerOptions::default();
    let Ok((mut connection, _, _)) = Connection::accept(io, &options, Limits::server()).await else { return };
    let (tell, mut told) = mpsc::unbounded_channel();
    clients.lock().unwrap().insert(id, tell);
    let _ = say.send(Said::Opened(id));
    loop {
        tokio::select! {
            message = connection.receive() => {
                let text = match message {
                    Ok(Some(Message::Text(text))) => text.to_owned(),
                    Ok(Some(_)) => continue,
                    Ok(None) | Err(_) => break,
                };
                let request = text.split(' ').nth(1).unwrap_or("?");
                // One symbol is not traded here.
                let verdict = if text.contains(".REFUSED") { "no" } else { "ok" };
                if connection.send(Message::Text(&format!("{verdict} {request}"))).await.is_err() {
                    break;
                }
                let _ = say.send(Said::Text(id, text));
            }
            told = told.recv() => match told {
                Some(Tell::Send(text)) => {
                    if connection.send(Message::Text(&text)).await.is_err() {
                        break;
                    }
                }
                Some(Tell::Cut) | None => break,
            },
        }
    }
    clients.lock().unwrap().remove(&id);
    let _ = say.send(Said::Closed(id));
}
