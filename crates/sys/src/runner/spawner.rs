//! The thread that starts tools.

use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};

use tokio::process::{Child, Command};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::no_thread;
use crate::Result;

/// One tool to be started.
struct Order {
    command: Command,
    runtime: Handle,
    answer: oneshot::Sender<io::Result<Child>>,
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

    /// Starts a tool, for the runtime that this is called on.
    pub(super) async fn spawn(&self, command: Command) -> io::Result<Child> {
        let gone = || io::Error::other("the thread that starts tools is gone");
        let (answer, answered) = oneshot::channel();
        let order = Order { command, runtime: Handle::current(), answer };
        self.orders.send(order).map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}

fn work(orders: &Receiver<Order>) {
    while let Ok(mut order) = orders.recv() {
        let _entered = order.runtime.enter();
        // Who asked may have given up: then the child is dropped, and killed by that.
        let _ = order.answer.send(order.command.spawn());
    }
}
