//! What signals ask of `serve`: SIGTERM and SIGINT its end, SIGHUP the same or something else. Not here: what else
//! (`reload.rs`).

use std::io::IsTerminal;

use tokio::signal::unix::{SignalKind, signal};

use crate::cli::ServeArgs;

/// What SIGHUP means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hangup {
    /// Something was changed.
    Reload,
    /// The terminal was closed.
    Stop,
}

impl Hangup {
    /// Who has a terminal and no configuration file is somebody's program, and ends with the terminal.
    pub(crate) fn meant_by(args: &ServeArgs) -> Self {
        let on_terminal = std::io::stdin().is_terminal()
            || std::io::stdout().is_terminal()
            || std::io::stderr().is_terminal();
        if args.config.is_none() && on_terminal { Self::Stop } else { Self::Reload }
    }
}

/// Completes at SIGTERM and SIGINT, and at a SIGHUP that means the same.
pub(crate) async fn stop_signal(hangup: Hangup) {
    let (Ok(mut term), Ok(mut interrupt)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        tracing::error!("signals cannot be caught: the server runs until it is killed");
        return std::future::pending().await;
    };
    let closed = async {
        match signal(SignalKind::hangup()) {
            Ok(mut closed) if hangup == Hangup::Stop => closed.recv().await,
            _ => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = term.recv() => {}
        _ = interrupt.recv() => {}
        _ = closed => tracing::info!("the terminal was closed"),
    }
    tracing::info!("stopping: transfers may end, nothing new begins");
}

/// Completes at a SIGTERM or SIGINT that comes after this is first asked.
pub(crate) async fn second_signal() {
    let (Ok(mut term), Ok(mut interrupt)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = term.recv() => {}
        _ = interrupt.recv() => {}
    }
}
