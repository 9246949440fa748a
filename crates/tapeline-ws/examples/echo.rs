//! Echoes messages from either end; this is what a conformance suite such as Autobahn's is run against.
//!
//! ```text
//! cargo run --release -p tapeline-ws --example echo -- serve 127.0.0.1:9001
//! cargo run --release -p tapeline-ws --example echo -- dial 127.0.0.1:9001      every case of a fuzzing server
//! ```
#![allow(clippy::print_stdout, reason = "an example prints where it listens and what it does")]

use std::error::Error;

use tapeline_ws::{ClientRequest, Connection, Limits, Message, ReceiveError, ServerOptions};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};

const LIMITS: Limits =
    Limits { message: 32 << 20, fragments: u32::MAX, read_buffer: 64 << 10, out_queue: 64 << 20 };

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve", address] => serve(address).await,
        ["dial", address] => dial(address).await,
        _ => Err("usage: echo serve|dial ADDRESS".into()),
    }
}

async fn serve(address: &str) -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);
    let options = ServerOptions { deflate: true, ..ServerOptions::default() };
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        let options = options.clone();
        tokio::spawn(async move {
            if let Ok((connection, _, _)) = Connection::accept(socket, &options, LIMITS).await {
                echo(connection).await;
            }
        });
    }
}

async fn dial(address: &str) -> Result<(), Box<dyn Error>> {
    let mut count = connect(address, "/getCaseCount").await?;
    let cases: usize = match count.receive().await? {
        Some(Message::Text(text)) => text.parse()?,
        other => return Err(format!("not a number of cases: {other:?}").into()),
    };
    for case in 1..=cases {
        echo(connect(address, &format!("/runCase?case={case}&agent=tapeline")).await?).await;
    }
    echo(connect(address, "/updateReports?agent=tapeline").await?).await;
    println!("{cases} cases");
    Ok(())
}

async fn connect(address: &str, path: &str) -> Result<Connection<TcpStream>, Box<dyn Error>> {
    let socket = TcpStream::connect(address).await?;
    socket.set_nodelay(true)?;
    let request =
        ClientRequest { host: address.into(), path: path.into(), deflate: true, ..ClientRequest::default() };
    let (mut connection, _) = Connection::connect(socket, &request, LIMITS, 1).await?;
    connection.set_auto_pong(true);
    Ok(connection)
}

/// Sends every message back until the peer has said goodbye, or has broken the protocol.
async fn echo<IO: AsyncRead + AsyncWrite + Unpin>(mut connection: Connection<IO>) {
    loop {
        // The message lives in the connection's buffer, so what is sent back is a copy of it.
        let owned = match connection.receive().await {
            Ok(Some(Message::Text(text))) => Ok(text.to_owned()),
            Ok(Some(Message::Binary(bytes))) => Err(bytes.to_vec()),
            Ok(Some(_)) => continue,
            // What the queue holds (an answer to a close, or the code of an error) is still sent.
            Ok(None) | Err(ReceiveError::Protocol(_)) => break,
            Err(_) => return,
        };
        let message = match &owned {
            Ok(text) => Message::Text(text),
            Err(bytes) => Message::Binary(bytes),
        };
        if connection.send(message).await.is_err() {
            return;
        }
    }
    if connection.flush().await.is_ok() {
        // A peer that hangs up first has nothing more to hear.
        drop(tokio::io::AsyncWriteExt::shutdown(&mut connection.into_io()).await);
    }
}
