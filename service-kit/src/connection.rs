//! One connection: how long it may stay open without a request, and how long its client may leave an answer unread.
//!
//! actix bounds the first head of a connection and the idle time after an answer. A client that sends the second head byte
//! by byte, that drips the rest of a body which nobody reads, or that takes nothing of an answer, is bounded here.

use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use actix_web::body::{BodySize, MessageBody};
use actix_web::web::Bytes;
use futures_util::task::AtomicWaker;
use pin_project_lite::pin_project;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

use crate::incoming::Incoming;
use crate::peer::Peer;
use crate::peers::Admitted;

/// How slow a client may be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// The longest time from one answer's end to the next request's beginning, however busily the client sends.
    pub(crate) between: Duration,
    /// The longest time in which nothing of an answer is taken.
    pub(crate) unread: Duration,
}

/// What a connection is doing; shared by the connection, the requests that come over it, and those who may close it.
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
    /// The connection was told to close.
    closed: bool,
}

impl Activity {
    pub(crate) fn new() -> Self {
        let phase = Phase { answering: 0, quiet_since: Instant::now(), closed: false };
        let lacks_length = AtomicBool::new(false);
        Self(Arc::new(State { phase: Mutex::new(phase), closer: AtomicWaker::new(), lacks_length }))
    }

    /// A request is being answered for as long as this is kept.
    pub(crate) fn begin(&self) -> Answering {
        self.phase().answering += 1;
        Answering(self.clone())
    }

    /// Since when no request has been answered; `None` while one is.
    pub(crate) fn quiet_since(&self) -> Option<Instant> {
        let phase = self.phase();
        (phase.answering == 0).then_some(phase.quiet_since)
    }

    /// Has the connection closed, unless a request is being answered.
    pub(crate) fn close_if_idle(&self) -> bool {
        let mut phase = self.phase();
        if phase.answering == 0 {
            phase.closed = true;
            self.0.closer.wake();
        }
        phase.closed
    }

    /// Ready when the connection has to close. A request that began after that was decided is answered first.
    pub(crate) fn poll_closed(&self, context: &Context<'_>) -> Poll<()> {
        self.0.closer.register(context.waker());
        let phase = self.phase();
        if phase.closed && phase.answering == 0 { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Whether the last request was one that is refused for [want of a length](Incoming::lacks_length).
    pub(crate) fn lacks_length(&self) -> bool {
        self.0.lacks_length.load(Ordering::Relaxed)
    }

    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Nothing panics while it holds this lock.
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
    /// The body of an answer: the request counts as being answered until all of it has been taken.
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

    /// An answer that ends with its head. actix would poll a body without an end for ever, and write nothing of it: nobody
    /// would notice that the client has gone.
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

/// A connection whose slow client is cut: reading or writing fails with [`ErrorKind::TimedOut`], and the server drops it. So
/// it is, with [`ErrorKind::ConnectionAborted`], when it has to make room for another one of its address or network.
pub(crate) struct Paced<T> {
    io: T,
    admitted: Admitted,
    pace: Pace,
    incoming: Incoming,
    silence: Pin<Box<Sleep>>,
    unread: Option<Pin<Box<Sleep>>>,
}

impl<T> Paced<T> {
    pub(crate) fn new(io: T, admitted: Admitted, pace: Pace) -> Self {
        let silence = Box::pin(sleep(pace.between));
        Self { io, admitted, pace, incoming: Incoming::new(), silence, unread: None }
    }

    pub(crate) fn activity(&self) -> Activity {
        self.admitted.activity.clone()
    }

    pub(crate) fn peer(&self) -> Peer {
        self.admitted.peer
    }

    /// Ready when the next request is overdue. The timer is moved on only when it fires, so that a request costs nothing.
    fn poll_overdue(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            ready!(self.silence.as_mut().poll(context));
            let now = Instant::now();
            let due = self.admitted.activity.quiet_since().unwrap_or(now) + self.pace.between;
            if due <= now {
                return Poll::Ready(());
            }
            self.silence.as_mut().reset(due);
        }
    }

    /// Passes on how writing went, and fails when it has been waiting for the client for too long.
    fn watch_unread<R>(
        &mut self,
        context: &mut Context<'_>,
        polled: Poll<io::Result<R>>,
    ) -> Poll<io::Result<R>> {
        if polled.is_ready() {
            self.unread = None;
            return polled;
        }
        let longest = self.pace.unread;
        let unread = self.unread.get_or_insert_with(|| Box::pin(sleep(longest)));
        unread.as_mut().poll(context).map(|()| Err(ErrorKind::TimedOut.into()))
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Paced<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.admitted.activity.poll_closed(context).is_ready() {
            return Poll::Ready(Err(ErrorKind::ConnectionAborted.into()));
        }
        if this.poll_overdue(context).is_ready() {
            return Poll::Ready(Err(ErrorKind::TimedOut.into()));
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.io).poll_read(context, buffer))?;
        this.incoming.read(&mut buffer.filled_mut()[before..]);
        this.admitted.activity.0.lacks_length.store(this.incoming.lacks_length(), Ordering::Relaxed);
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Paced<T> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.io).poll_write(context, buffer);
        this.watch_unread(context, polled)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.io).poll_write_vectored(context, buffers);
        this.watch_unread(context, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.io).poll_flush(context);
        this.watch_unread(context, polled)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.io).poll_shutdown(context);
        this.watch_unread(context, polled)
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
