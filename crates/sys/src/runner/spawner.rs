//! The thread that starts tools.

use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};

use tokio::process::{Child, Command};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use verisim_core::CancellationToken;

use super::no_thread;
use crate::Result;

/// One tool to be started.
struct Order {
    command: Command,
    runtime: Handle,
    cancel: CancellationToken,
    answer: oneshot::Sender<io::Result<Option<Child>>>,
}

impl Order {
    /// Whether nobody wants the tool any more: it was cancelled, or who asked gave up, while others were started.
    fn is_void(&self) -> bool {
        self.cancel.is_cancelled() || self.answer.is_closed()
    }
}

/// A thread that does nothing else. It ends when this value does, and what it started with it.
#[derive(Debug)]
pub(super) struct Spawner {
    orders: Sender<Order>,
}

impl Spawner {
    pub(super) fn start() -> Result<Self> {
        let (orders, taken) = channel();
        std::thread::Builder::new()
            .name("tools".into())
            .spawn(move || work(&taken))
            .map_err(|error| no_thread(&error))?;
        Ok(Self { orders })
    }

    /// Starts a tool, for the runtime that this is called on. `None` when it was cancelled before.
    pub(super) async fn spawn(
        &self,
        command: Command,
        cancel: &CancellationToken,
    ) -> io::Result<Option<Child>> {
        let gone = || io::Error::other("the thread that starts tools is gone");
        let (answer, answered) = oneshot::channel();
        let order = Order { command, runtime: Handle::current(), cancel: cancel.clone(), answer };
        self.orders.send(order).map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}

fn work(orders: &Receiver<Order>) {
    while let Ok(mut order) = orders.recv() {
        if order.is_void() {
            let _ = order.answer.send(Ok(None));
            continue;
        }
        let _entered = order.runtime.enter();
        // Who asked may give up in this moment: then the child is dropped, and killed by that.
        let _ = order.answer.send(order.command.spawn().map(Some));
    }
}
