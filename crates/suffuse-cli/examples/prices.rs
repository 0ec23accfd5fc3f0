//! Prints the demo prices of a development server. The README and the built-in page show this program.

#![allow(
    clippy::print_stdout,
    reason = "an example talks to the person who runs it"
)]

// The README and the page begin here.
use suffuse_client::{Session, topic::Json};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let session = Session::builder()
        .url("ws://127.0.0.1:8080/diffusion")
        .connect()
        .await?;
    let mut prices = session
        .topics()
        .stream::<Json<serde_json::Value>>("?demo/price//")
        .await?;
    while let Some(update) = prices.next().await {
        println!("{} {}", update.path, update.value?.0);
    }
    Ok(())
}
