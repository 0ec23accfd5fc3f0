//! Emptying a server before it stops, so that its clients move to other servers bit by bit.
//!
//! ```text
//!            begin                 the wait is over              no session has a connection
//!  Serving ────────► Waiting ─────────────────────► Moving ◄──────────────────────────────► Drained
//!     ▲                 │                             │                                        │
//!     └─────────────────┴────────────── abort ────────┴────────────────────────────────────────┘
//! ```
//! From the beginning `/health/ready` is red. Balancers need a while to notice, and send clients here until
//! then: while waiting, all are served. Then connections are ended at a rate. A session that is moved is lost
//! here: its client reconnects through the balancer, and is told that the session is unknown wherever it
//! arrives, also here, for nobody else has the session. Clients without a session are sent away with 503.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::{oneshot, watch};

use crate::{inbox::Input, shared::Shared};

/// How often sessions are moved.
const STEP: Duration = Duration::from_millis(100);

/// How a server is drained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DrainPlan {
    /// How long load balancers have to notice that the server is not ready.
    pub wait: Duration,
    /// How many sessions are moved in a second; at least 1.
    pub rate: usize,
}

impl Default for DrainPlan {
    fn default() -> Self {
        Self {
            wait: Duration::from_secs(60),
            rate: 500,
        }
    }
}

/// What a server does with its sessions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DrainPhase {
    /// It serves them.
    #[default]
    Serving,
    /// It serves them, and tells load balancers that it is not ready.
    Waiting,
    /// It ends their connections, and takes no new ones.
    Moving,
    /// None has a connection, and it takes no new ones.
    Drained,
}

impl DrainPhase {
    /// Returns whether clients may connect.
    pub(crate) fn admits(self) -> bool {
        match self {
            Self::Serving | Self::Waiting => true,
            Self::Moving | Self::Drained => false,
        }
    }
}

impl fmt::Display for DrainPhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Serving => "serving",
            Self::Waiting => "waiting",
            Self::Moving => "moving",
            Self::Drained => "drained",
        })
    }
}

/// How far a server is drained.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DrainProgress {
    /// What it does.
    pub phase: DrainPhase,
    /// How many connections of sessions it has ended since the drain began.
    pub moved: usize,
    /// How many sessions had a connection when it last ended some.
    pub left: usize,
}

/// A server is drained already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this server is being drained already: abort that first")]
pub struct DrainError;

/// The state of a server's drain.
#[derive(Debug, Default)]
pub(crate) struct Drain {
    state: watch::Sender<State>,
}

#[derive(Clone, Copy, Debug, Default)]
struct State {
    /// Counts drains: the task of one that was aborted finds out by it.
    number: u64,
    progress: DrainProgress,
}

/// What happened when sessions were moved.
pub(crate) struct Step {
    pub(crate) moved: usize,
    pub(crate) left: usize,
}

impl Drain {
    pub(crate) fn progress(&self) -> DrainProgress {
        self.state.borrow().progress
    }

    /// Begins to drain; the task goes on until it is aborted or the server ends.
    pub(crate) fn begin(shared: &Arc<Shared>, plan: DrainPlan) -> Result<(), DrainError> {
        let mut number = None;
        shared.drain.state.send_if_modified(|state| {
            if state.progress.phase != DrainPhase::Serving {
                return false;
            }
            state.number += 1;
            state.progress = DrainProgress {
                phase: DrainPhase::Waiting,
                ..DrainProgress::default()
            };
            number = Some(state.number);
            true
        });
        let number = number.ok_or(DrainError)?;
        tracing::info!(wait = ?plan.wait, rate = plan.rate, "draining: not ready any more");
        tokio::spawn(run(Arc::clone(shared), plan, number));
        Ok(())
    }

    /// Serves again. Sessions that were moved may come back while their client still tries.
    pub(crate) fn abort(&self) -> DrainProgress {
        let before = self.progress();
        if before.phase != DrainPhase::Serving {
            self.state.send_modify(|state| {
                state.number += 1;
                state.progress.phase = DrainPhase::Serving;
            });
            tracing::info!(moved = before.moved, "the drain was aborted");
        }
        before
    }

    /// Waits until no session has a connection, or the drain is aborted.
    pub(crate) async fn ended(&self) -> DrainProgress {
        let mut state = self.state.subscribe();
        let is_over = |state: &State| match state.progress.phase {
            DrainPhase::Serving | DrainPhase::Drained => true,
            DrainPhase::Waiting | DrainPhase::Moving => false,
        };
        // The sender lives as long as the server.
        state
            .wait_for(is_over)
            .await
            .map_or_else(|_| DrainProgress::default(), |state| state.progress)
    }

    /// Notes a step; `false` if the drain was aborted.
    fn advance(&self, number: u64, step: &Step) -> bool {
        let mut is_current = false;
        self.state.send_if_modified(|state| {
            is_current = state.number == number;
            if is_current {
                state.progress.moved += step.moved;
                state.progress.left = step.left;
                state.progress.phase = match step.left {
                    0 => DrainPhase::Drained,
                    _ => DrainPhase::Moving,
                };
            }
            is_current
        });
        is_current
    }
}

async fn run(shared: Arc<Shared>, plan: DrainPlan, number: u64) {
    let aborted = {
        let mut state = shared.drain.state.subscribe();
        async move {
            // The sender lives as long as the server.
            let _ = state.wait_for(|state| state.number != number).await;
        }
    };
    tokio::select! {
        () = aborted => {}
        () = shared.stopped() => {}
        () = drain(&shared, plan, number) => {}
    }
}

async fn drain(shared: &Shared, plan: DrainPlan, number: u64) {
    tokio::time::sleep(plan.wait).await;
    let begin = Instant::now();
    let mut moved = 0;
    // Also a drained server goes on: a handshake may have been on the way.
    loop {
        let due = begin.elapsed().as_secs_f64().mul_add(plan.rate as f64, 1.0) as usize;
        let Some(step) = shared.move_sessions(due.saturating_sub(moved)).await else {
            return; // The server has stopped.
        };
        // What could not be moved is not made up for later.
        moved = if step.left == 0 {
            due
        } else {
            moved + step.moved
        };
        let before = shared.drain.progress().phase;
        if !shared.drain.advance(number, &step) {
            return;
        }
        if step.left == 0 && before != DrainPhase::Drained {
            let moved = shared.drain.progress().moved;
            tracing::info!(moved, "drained: no session has a connection");
        }
        tokio::time::sleep(STEP).await;
    }
}

impl Shared {
    /// Ends the connections of some sessions; `None` if the server has stopped.
    async fn move_sessions(&self, count: usize) -> Option<Step> {
        let (answer, answered) = oneshot::channel();
        self.inbox.push(Input::Move { count, answer });
        answered.await.ok()
    }
}
