//! MiniStack: SQS and SNS on loopback.

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
    pub async fn start() -> Self {
        let port = free_port();
        let process = Command::new(python::bin().await.join("ministack"))
            // Left to itself it listens on every interface.
            .env("BIND_HOST", "127.0.0.1")
            .env("GATEWAY_PORT", port.to_string())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        for _ in 0..600 {
            if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
                return Self { url: format!("http://127.0.0.1:{port}"), _process: process };
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("MiniStack did not listen on port {port} within 30 seconds");
    }
}

fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}
