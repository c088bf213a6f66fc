//! Opens connections, and has the domain inspect each before anything else uses it.

use std::fmt;
use std::sync::{Arc, OnceLock};

use crate::store::engine::connection::{Connection, Database};
use crate::store::error::StoreError;

type Inspection = dyn Fn(&mut Connection) -> Result<(), StoreError> + Send + Sync;

/// Connects to one database. Cloning it is cheap; all clones share the inspection.
#[derive(Clone)]
pub(in crate::store) struct Connector {
    database: Database,
    inspection: Arc<OnceLock<Box<Inspection>>>,
}

impl Connector {
    pub(in crate::store) fn new(database: Database) -> Self {
        Self { database, inspection: Arc::default() }
    }

    /// Runs `inspection` on each connection that is opened from now on. A connection that it refuses is not used. Only the first
    /// call has an effect.
    pub(in crate::store) fn inspect(
        &self,
        inspection: impl Fn(&mut Connection) -> Result<(), StoreError> + Send + Sync + 'static,
    ) {
        let _ = self.inspection.set(Box::new(inspection));
    }

    pub(in crate::store) fn open(&self) -> Result<Connection, StoreError> {
        let mut connection = self.database.connect()?;
        if let Some(inspection) = self.inspection.get() {
            inspection(&mut connection)?;
        }
        Ok(connection)
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector").field("database", &self.database).finish_non_exhaustive()
    }
}
