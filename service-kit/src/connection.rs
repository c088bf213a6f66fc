//! A connection: how long it may stay open without a request, and how long its client may leave an answer unread.
//!
//! actix bounds the first head of a connection and the idle time after an answer. This bounds a client that sends its second
//! head byte by byte, that slowly sends the rest of a body that is not read, or that reads nothing of an answer.

use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

use crate::activity::Activity;
use crate::incoming::Incoming;
use crate::peer::Peer;
use crate::peers::Admitted;

/// How slow a client may be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// The longest time from the end of an answer to the beginning of the next request, even if the client keeps sending.
    pub(crate) between: Duration,
    /// The longest time in which a client reads nothing of an answer.
    pub(crate) unread: Duration,
}

/// A connection with time-outs: reading or writing fails with [`ErrorKind::TimedOut`] when the client is too slow, and with
/// [`ErrorKind::ConnectionAborted`] when the connection has to make room for another one of its address or network. The
/// server then drops it.
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

    /// Is ready when the next request is overdue. The timer is reset only when it fires, so that requests do not touch it.
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

    /// Passes on the result of writing, and fails when the client has read nothing for too long.
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
        this.admitted.activity.set_lacks_length(this.incoming.lacks_length());
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
