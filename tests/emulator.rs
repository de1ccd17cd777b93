//! Emulators that nobody here wrote, on loopback: MiniStack for SQS and SNS, moto as a second opinion on EC2.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::{Child, Command};

use crate::python;

/// A running emulator. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Emulator {
    pub url: String,
    _process: Child,
}

impl Emulator {
    /// MiniStack. Left to itself it listens on every interface.
    pub async fn start() -> Self {
        Self::spawn("ministack", |command, port| command.env("BIND_HOST", "127.0.0.1").env("GATEWAY_PORT", port)).await
    }

    /// moto's server.
    pub async fn start_moto() -> Self {
        Self::spawn("moto_server", |command, port| command.args(["-H", "127.0.0.1", "-p", port])).await
    }

    async fn spawn(name: &str, listen: impl for<'a> Fn(&'a mut Command, &str) -> &'a mut Command) -> Self {
        let port = free_port();
        let mut command = Command::new(python::bin().await.join(name));
        listen(&mut command, &port.to_string()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        let process = command.spawn().unwrap();
        for _ in 0..600 {
            if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
                return Self { url: format!("http://127.0.0.1:{port}"), _process: process };
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{name} did not listen on port {port} within 30 seconds");
    }
}

fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}
