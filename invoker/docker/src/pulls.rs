//! Fetching images. Starts that need the same image at the same time wait for one fetch.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use bollard::query_parameters::CreateImageOptionsBuilder;
use futures_util::TryStreamExt;
use futures_util::future::{BoxFuture, FutureExt, Shared};

use crate::credentials;
use crate::engine::{Engine, EngineError};
use crate::images::Image;

/// Why an image could not be fetched; one text for all who waited.
pub(crate) type PullError = Arc<str>;
type Fetch = Shared<BoxFuture<'static, Result<(), PullError>>>;

#[derive(Debug)]
pub(crate) struct Pulls {
    engine: Engine,
    credentials: Option<PathBuf>,
    /// By reference. One that has ended is replaced by the next.
    under_way: Mutex<HashMap<String, Fetch>>,
}

impl Pulls {
    pub(crate) fn new(engine: Engine, credentials: Option<PathBuf>) -> Self {
        Self { engine, credentials, under_way: Mutex::default() }
    }

    /// Fetches the image, or waits for the fetch that is under way.
    ///
    /// # Errors
    /// When the registry does not give it, or it takes too long.
    pub(crate) async fn pull(&self, image: &Image) -> Result<(), PullError> {
        let fetch = self.join(image);
        let outcome = fetch.clone().await;
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        if under_way.get(&image.reference()).is_some_and(|known| known.ptr_eq(&fetch)) {
            under_way.remove(&image.reference());
        }
        outcome
    }

    fn join(&self, image: &Image) -> Fetch {
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        let fetch = under_way.entry(image.reference()).or_insert_with(|| {
            let (engine, credentials, image) = (self.engine.clone(), self.credentials.clone(), image.clone());
            fetch(engine, credentials, image).boxed().shared()
        });
        fetch.clone()
    }
}

async fn fetch(engine: Engine, credentials: Option<PathBuf>, image: Image) -> Result<(), PullError> {
    tracing::info!(image = image.reference(), "fetching image");
    let credentials = match &credentials {
        Some(path) => credentials::read(path, image.registry()).await?,
        None => None,
    };
    let request = || {
        // Without a tag the daemon would fetch all there are.
        let options = CreateImageOptionsBuilder::new().from_image(&image.repository).tag(&image.tag).build();
        let progress = engine.docker.create_image(Some(options), None, credentials.clone());
        progress.try_for_each(|_| std::future::ready(Ok(())))
    };
    let fetched = engine.patiently("fetch the image", engine.timeouts.pull, request).await;
    fetched.map_err(|error: EngineError| {
        tracing::warn!(image = image.reference(), %error, "cannot fetch image");
        Arc::from(error.to_string())
    })
}
