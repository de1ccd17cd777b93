//! A person or the system wants it to end: what is under way is brought to an end, and messages are given back.

use std::process::exit;

use tokio::sync::watch;

/// Whether to stop; all copies know.
#[derive(Debug, Clone)]
pub(crate) struct Stop(watch::Receiver<bool>);

impl Stop {
    /// Listens to Ctrl-C and SIGTERM from now on, and says what happens then. The second time it does not wait for the
    /// queue.
    pub fn on_signals(first: &'static str, second: &'static str) -> Self {
        let (sender, receiver) = watch::channel(false);
        tokio::spawn(async move {
            signal().await;
            eprintln!("snapkeep: stopping: {first}. Once more does not wait for that");
            let _ = sender.send(true);
            signal().await;
            eprintln!("snapkeep: {second}");
            exit(130);
        });
        Self(receiver)
    }

    /// For what takes such a receiver.
    pub fn receiver(&self) -> watch::Receiver<bool> {
        self.0.clone()
    }

    pub fn is_set(&self) -> bool {
        *self.0.borrow()
    }

    /// When it is to end; never, where nobody says so.
    pub async fn reached(&self) {
        if self.0.clone().wait_for(|is_set| *is_set).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(unix)]
async fn signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        let _ = tokio::signal::ctrl_c().await;
        return;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}

#[cfg(not(unix))]
async fn signal() {
    let _ = tokio::signal::ctrl_c().await;
}
