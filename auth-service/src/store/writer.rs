//! SQLite's one writer: a thread that commits what is queued together, and answers after the commit.
//!
//! A pool of writers would race for SQLite's lock and starve some for seconds; one commit for each write would pay one
//! fsync for each. Every job has a savepoint of its own, so that one that fails takes no other with it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use diesel::Connection as _;
use tokio::sync::{mpsc, oneshot};

use super::connection::{Connection, begin, commit, roll_back};
use super::connector::Connector;
use super::error::StoreError;

/// Runs inside the group's transaction, or learns why there is none; gives what is to be told after the commit.
type Job = Box<dyn FnOnce(Result<&mut Connection, StoreError>) -> Answer + Send>;
/// Told how the commit ended.
type Answer = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

#[derive(Debug, Clone)]
pub(super) struct Writer(mpsc::Sender<Job>);

impl Writer {
    /// `queue` jobs may wait; at most `group` of them are committed together.
    pub(super) fn start(connector: Connector, queue: usize, group: usize) -> Result<Self, StoreError> {
        let (sender, jobs) = mpsc::channel(queue);
        std::thread::Builder::new()
            .name("sqlite-writer".to_owned())
            .spawn(move || run(&connector, jobs, group))
            .map_err(|error| StoreError::Unavailable(error.to_string()))?;
        Ok(Self(sender))
    }

    /// Queues `job` and waits until it is durable.
    pub(super) async fn submit<T, E>(
        &self,
        job: impl FnOnce(&mut Connection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        self.0.send(envelope(job, answer)).await.map_err(|_| StoreError::closed())?;
        answered.await.unwrap_or_else(|_| Err(StoreError::Query("a write panicked".to_owned()).into()))
    }
}

fn envelope<T, E>(
    job: impl FnOnce(&mut Connection) -> Result<T, E> + Send + 'static,
    answer: oneshot::Sender<Result<T, E>>,
) -> Job
where
    T: Send + 'static,
    E: From<StoreError> + Send + 'static,
{
    Box::new(move |connection| {
        let nobody_waits = answer.is_closed();
        let result = match connection {
            Ok(connection) if !nobody_waits => Some(in_savepoint(connection, job)),
            Ok(_) => None,
            Err(error) => Some(Err(error.into())),
        };
        Box::new(move |committed| {
            if let Some(result) = result {
                let _ = answer.send(result.and_then(|value| Ok(committed.map(|()| value)?)));
            }
        })
    })
}

/// An error or a panic of the job undoes what it did, and nothing else.
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

fn run(connector: &Connector, mut jobs: mpsc::Receiver<Job>, group: usize) {
    let mut kept: Option<Connection> = None;
    while let Some(first) = jobs.blocking_recv() {
        let (answers, outcome) = match connected(&mut kept, connector) {
            Ok(connection) => commit_group(connection, first, &mut jobs, group),
            Err(error) => (vec![first(Err(error.clone()))], Err(error)),
        };
        if let Err(error) = &outcome {
            log::error!("a group of {} writes was not committed: {error}", answers.len());
            kept = None; // after a failed commit nobody knows what state the connection is in
        }
        for answer in answers {
            answer(outcome.clone());
        }
    }
}

/// The connection with a transaction begun on it.
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
    jobs: &mut mpsc::Receiver<Job>,
    group: usize,
) -> (Vec<Answer>, Result<(), StoreError>) {
    let mut answers = vec![first(Ok(connection))];
    while answers.len() < group
        && let Ok(job) = jobs.try_recv()
    {
        answers.push(job(Ok(connection)));
    }
    let outcome = commit(connection).inspect_err(|_| roll_back(connection));
    (answers, outcome)
}
