//! SQLite's only writer: a thread that commits queued jobs in groups, and answers after the commit.
//!
//! Several writers would race for SQLite's lock, and some would starve for seconds. A commit per job would cost an fsync each.
//! Every job has a savepoint, so that a job that fails undoes no other.

use std::panic::{AssertUnwindSafe, catch_unwind};

use diesel::Connection as _;
use tokio::sync::{mpsc, oneshot};

use crate::store::engine::connection::{Connection, begin, checkpoint, commit, roll_back};
use crate::store::engine::connector::Connector;
use crate::store::engine::watch::{Access, Watch};
use crate::store::error::{JobError, StoreError, take_trouble};

/// A job. Runs in the group's transaction, or gets the reason why there is none. Returns what to do after the commit.
type Job = Box<dyn FnOnce(Result<&mut Connection, StoreError>) -> Answer + Send>;
/// Called with the outcome of the commit.
type Answer = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

/// An order to the thread.
enum Order {
    Write(Job),
    /// Empty the WAL, close the connection, and end.
    Close(oneshot::Sender<()>),
}

#[derive(Debug, Clone)]
pub(in crate::store) struct Writer {
    orders: mpsc::Sender<Order>,
    watch: Watch,
}

impl Writer {
    /// Starts the thread. At most `queue` jobs wait, and at most `group` of them are committed together.
    pub(in crate::store) fn start(
        connector: Connector,
        queue: usize,
        group: usize,
        watch: Watch,
    ) -> Result<Self, StoreError> {
        let (orders, received) = mpsc::channel(queue);
        std::thread::Builder::new()
            .name("sqlite-writer".to_owned())
            .spawn(move || run(&connector, received, group))
            .map_err(|error| StoreError::Unavailable(error.to_string()))?;
        Ok(Self { orders, watch })
    }

    /// Queues `job` and waits until it is durable.
    pub(in crate::store) async fn submit<T, E>(
        &self,
        job: impl FnOnce(&mut Connection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: JobError,
    {
        let (answer, answered) = oneshot::channel();
        let job = Order::Write(envelope(job, answer, self.watch.clone()));
        self.orders.send(job).await.map_err(|_| StoreError::closed())?;
        answered.await.unwrap_or_else(|_| Err(StoreError::Query("a write panicked".to_owned()).into()))
    }

    /// Ends the thread after the queued jobs. When this returns, its connection is closed.
    pub(in crate::store) async fn close(&self) {
        let (answer, answered) = oneshot::channel();
        if self.orders.send(Order::Close(answer)).await.is_ok() {
            let _ = answered.await; // an error means that the thread has ended
        }
    }
}

fn envelope<T, E>(
    job: impl FnOnce(&mut Connection) -> Result<T, E> + Send + 'static,
    answer: oneshot::Sender<Result<T, E>>,
    watch: Watch,
) -> Job
where
    T: Send + 'static,
    E: JobError,
{
    Box::new(move |connection| {
        let is_abandoned = answer.is_closed();
        take_trouble();
        let result = match connection {
            Ok(connection) if !is_abandoned => Some(in_savepoint(connection, job)),
            Ok(_) => None,
            Err(error) => Some(Err(error.into())),
        };
        let trouble = take_trouble();
        Box::new(move |committed| {
            if let Some(result) = result {
                match (&committed, &result, &trouble) {
                    (Err(error), _, _) | (Ok(()), Err(_), Some(error)) => watch.failed(Access::Write, error),
                    (Ok(()), Ok(_), _) => watch.succeeded(Access::Write),
                    (Ok(()), Err(_), None) => {}
                }
                let _ = answer.send(result.and_then(|value| Ok(committed.map(|()| value)?)));
            }
        })
    })
}

/// Runs a job in a savepoint: its error or panic undoes its own changes only.
fn in_savepoint<T, E: From<StoreError>>(
    connection: &mut Connection,
    job: impl FnOnce(&mut Connection) -> Result<T, E>,
) -> Result<T, E> {
    /// Diesel's `transaction` wants an error type that its own errors convert into.
    enum Undo<E> {
        Job(E),
        Panicked,
        Savepoint(diesel::result::Error),
    }
    impl<E> From<diesel::result::Error> for Undo<E> {
        fn from(error: diesel::result::Error) -> Self {
            Self::Savepoint(error)
        }
    }
    let outcome = connection.transaction(|connection| {
        catch_unwind(AssertUnwindSafe(|| job(connection)))
            .map_or(Err(Undo::Panicked), |result| result.map_err(Undo::Job))
    });
    outcome.map_err(|undo| match undo {
        Undo::Job(error) => error,
        Undo::Panicked => StoreError::Query("a write panicked".to_owned()).into(),
        Undo::Savepoint(error) => StoreError::from(error).into(),
    })
}

fn run(connector: &Connector, mut orders: mpsc::Receiver<Order>, group: usize) {
    let mut kept: Option<Connection> = None;
    let mut next: Option<Order> = None;
    loop {
        let Some(order) = next.take().or_else(|| orders.blocking_recv()) else { return };
        let first = match order {
            Order::Write(job) => job,
            Order::Close(answer) => {
                empty_wal(kept, connector);
                let _ = answer.send(());
                return;
            }
        };
        let (answers, outcome) = match connected(&mut kept, connector) {
            Ok(connection) => commit_group(connection, first, &mut orders, &mut next, group),
            Err(error) => (vec![first(Err(error.clone()))], Err(error)),
        };
        if let Err(error) = &outcome {
            log::debug!("a group of {} writes was not committed: {error}", answers.len());
            kept = None; // after a failed commit the state of the connection is unknown
        }
        for answer in answers {
            answer(outcome.clone());
        }
    }
}

/// Writes the WAL into the database. The last connection that any process closes deletes its file.
fn empty_wal(kept: Option<Connection>, connector: &Connector) {
    let connection = kept.map_or_else(|| connector.open(), Ok);
    if let Err(error) = connection.and_then(|mut connection| checkpoint(&mut connection)) {
        log::warn!("the write-ahead log was not written into the database: {error}");
    }
}

/// Returns the connection, on which a transaction has begun.
fn connected<'a>(
    kept: &'a mut Option<Connection>,
    connector: &Connector,
) -> Result<&'a mut Connection, StoreError> {
    let connection = match kept.take() {
        Some(connection) => connection,
        None => connector.open()?,
    };
    let connection = kept.insert(connection);
    begin(connection)?;
    Ok(connection)
}

fn commit_group(
    connection: &mut Connection,
    first: Job,
    orders: &mut mpsc::Receiver<Order>,
    next: &mut Option<Order>,
    group: usize,
) -> (Vec<Answer>, Result<(), StoreError>) {
    let mut answers = vec![first(Ok(connection))];
    while answers.len() < group {
        match orders.try_recv() {
            Ok(Order::Write(job)) => answers.push(job(Ok(connection))),
            Ok(close) => {
                *next = Some(close);
                break;
            }
            Err(_) => break,
        }
    }
    let outcome = commit(connection).inspect_err(|_| roll_back(connection));
    (answers, outcome)
}
