//! What a connection is doing: whether a request is being answered, and whether the connection has to close.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use actix_web::body::{BodySize, MessageBody};
use actix_web::web::Bytes;
use futures_util::task::AtomicWaker;
use pin_project_lite::pin_project;
use tokio::time::Instant;

/// The state of a connection, shared by the connection, its requests, and [`Peers`](crate::peers), which may close it.
#[derive(Debug, Clone)]
pub(crate) struct Activity(Arc<State>);

#[derive(Debug)]
struct State {
    phase: Mutex<Phase>,
    closer: AtomicWaker,
    lacks_length: AtomicBool,
}

#[derive(Debug)]
struct Phase {
    /// actix answers the requests of a connection one after the other, so this is 0 or 1.
    answering: usize,
    quiet_since: Instant,
    /// Whether the connection has to close.
    closed: bool,
}

impl Activity {
    pub(crate) fn new() -> Self {
        let phase = Phase { answering: 0, quiet_since: Instant::now(), closed: false };
        let lacks_length = AtomicBool::new(false);
        Self(Arc::new(State { phase: Mutex::new(phase), closer: AtomicWaker::new(), lacks_length }))
    }

    /// Marks that a request is being answered, for as long as the returned value is kept.
    pub(crate) fn begin(&self) -> Answering {
        self.phase().answering += 1;
        Answering(self.clone())
    }

    /// Returns since when no request has been in progress; `None` while one is.
    pub(crate) fn quiet_since(&self) -> Option<Instant> {
        let phase = self.phase();
        (phase.answering == 0).then_some(phase.quiet_since)
    }

    /// Closes the connection, unless a request is being answered. Returns whether it will close.
    pub(crate) fn close_if_idle(&self) -> bool {
        let mut phase = self.phase();
        if phase.answering == 0 {
            phase.closed = true;
            self.0.closer.wake();
        }
        phase.closed
    }

    /// Is ready when the connection has to close. A request that began after the decision is answered first.
    pub(crate) fn poll_closed(&self, context: &Context<'_>) -> Poll<()> {
        self.0.closer.register(context.waker());
        let phase = self.phase();
        if phase.closed && phase.answering == 0 { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Returns whether the last request [lacked a length](crate::incoming::Incoming::lacks_length).
    pub(crate) fn lacks_length(&self) -> bool {
        self.0.lacks_length.load(Ordering::Relaxed)
    }

    pub(crate) fn set_lacks_length(&self, lacks_length: bool) {
        self.0.lacks_length.store(lacks_length, Ordering::Relaxed);
    }

    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// No code panics while it holds this lock.
    fn phase(&self) -> MutexGuard<'_, Phase> {
        self.0.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that is being answered.
#[derive(Debug)]
pub(crate) struct Answering(Activity);

impl Drop for Answering {
    fn drop(&mut self) {
        let mut phase = self.0.phase();
        phase.answering -= 1;
        phase.quiet_since = Instant::now();
        if phase.closed && phase.answering == 0 {
            self.0.0.closer.wake();
        }
    }
}

pin_project! {
    /// The body of an answer. The request is in progress until all of the body has been sent.
    pub struct Answered<B> {
        #[pin]
        body: Option<B>,
        answering: Option<Answering>,
    }
}

impl<B> Answered<B> {
    pub(crate) fn new(body: B, answering: Option<Answering>) -> Self {
        Self { body: Some(body), answering }
    }

    /// Returns an answer that ends with its head. actix would poll an endless body for ever without writing any of it, and
    /// would never notice that the client has disconnected.
    pub(crate) fn without_body() -> Self {
        Self { body: None, answering: None }
    }
}

impl<B: MessageBody> MessageBody for Answered<B> {
    type Error = B::Error;

    fn size(&self) -> BodySize {
        self.body.as_ref().map_or(BodySize::None, MessageBody::size)
    }

    fn poll_next(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        self.project().body.as_pin_mut().map_or(Poll::Ready(None), |body| body.poll_next(context))
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn a_request_that_begins_after_the_decision_to_close_is_answered_before_the_connection_closes() {
        let activity = Activity::new();
        let mut closed = poll_fn(|context| activity.poll_closed(context));
        assert!(activity.close_if_idle());
        let answering = activity.begin();
        assert!((&mut closed).now_or_never().is_none(), "its answer is under way");
        drop(answering);
        assert!(closed.now_or_never().is_some());
    }
}
