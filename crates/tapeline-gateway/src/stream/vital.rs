//! The life of a shard: it obeys until nobody is left to give orders, and breaks if something breaks without which it
//! would serve nobody and not know.

use std::any::Any;
use std::cell::RefCell;
use std::future::Future;
use std::panic::resume_unwind;
use std::rc::Rc;
use std::sync::atomic::Ordering;

use tokio::sync::{Notify, mpsc};
use tokio::task::spawn_local;

use super::shard::{Order, Shard};

/// What a vital task of a shard has panicked with.
#[derive(Debug, Default)]
pub(super) struct Broken {
    panic: RefCell<Option<Box<dyn Any + Send>>>,
    bell: Notify,
}

impl Broken {
    /// Panics as soon as a vital task has.
    async fn breaks(&self) {
        loop {
            self.bell.notified().await;
            if let Some(panic) = self.panic.take() {
                resume_unwind(panic);
            }
        }
    }
}

impl Shard {
    /// Obeys until the other end is gone.
    pub(super) async fn run(self: Rc<Self>, orders: &mut mpsc::Receiver<Order>) {
        super::log::time_encoding(&self.counters);
        let keeper = self.vital(Self::keep(Rc::clone(&self)));
        loop {
            let order = tokio::select! {
                order = orders.recv() => order,
                () = self.broken.breaks() => None,
            };
            match order {
                None => break,
                Some(Order::Admit(id, admission)) => self.admit(id, *admission),
                Some(Order::List(reply)) => {
                    let _ = reply.send(self.list());
                }
                Some(Order::Count(reply)) => {
                    let _ = reply.send(self.state.borrow().audience());
                }
                Some(Order::Stop(within, done)) => {
                    self.farewell(within).await;
                    let _ = done.send(());
                }
            }
        }
        keeper.abort();
    }

    /// Runs a task without which the shard is of no use: it panics with it.
    pub(super) fn vital(
        self: &Rc<Self>,
        task: impl Future<Output = ()> + 'static,
    ) -> tokio::task::AbortHandle {
        let (shard, task) = (Rc::clone(self), spawn_local(task));
        let handle = task.abort_handle();
        spawn_local(async move {
            if let Err(error) = task.await
                && error.is_panic()
            {
                shard.broken.panic.replace(Some(error.into_panic()));
                shard.broken.bell.notify_one();
            }
        });
        handle
    }
}

impl Drop for Shard {
    fn drop(&mut self) {
        // Those of a shard that breaks are gone without a farewell.
        self.counters.clients.fetch_sub(self.state.get_mut().clients.len() as u64, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicU64;

    use tapeline::{Hub, HubConfig};
    use tokio::sync::oneshot;
    use tokio::task::LocalSet;

    use super::*;
    use crate::GatewayConfig;
    use crate::live::Live;
    use crate::stream::Counters;

    #[test]
    fn a_vital_task_that_panics_breaks_its_shard_and_the_next_one_obeys() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let hub = runtime.block_on(async { Hub::new(HubConfig::default()) });
        let live = Live::new(GatewayConfig::default(), serde_json::Value::Null);
        let counters: Arc<Counters> = Arc::default();
        let (orders, mut inbox) = mpsc::channel(4);
        let (reply, mut answer) = oneshot::channel();
        let mut later = Some((orders, reply));
        let (starts, mut broken) = (AtomicU64::new(0), false);
        hub.parts().keep_thread(
            "a shard",
            |_| {},
            || {
                starts.fetch_add(1, Ordering::SeqCst);
                let shard = Shard::new(hub.clone(), Arc::clone(&live), Arc::clone(&counters), 1);
                let work = async {
                    if std::mem::replace(&mut broken, true) {
                        let (orders, reply) = later.take().unwrap();
                        orders.send(Order::List(reply)).await.unwrap();
                    } else {
                        shard.vital(async { panic!("it breaks") });
                    }
                    shard.run(&mut inbox).await;
                };
                LocalSet::new().block_on(&runtime, work);
            },
        );
        assert_eq!(starts.load(Ordering::SeqCst), 2);
        assert_eq!(answer.try_recv().unwrap().len(), 0, "what was ordered meanwhile is not lost");
    }
}
