//! rumqttd as a program: mgos-rumqttd CONFIG.json. Used by the demo and by `cargo xtask interop`;
//! e2e/kit/src/rumqttd.rs writes the configuration, this only passes it to the crate.

use anyhow::{Context, Result};

fn main() -> Result<()> {
    tracing_subscriber::fmt().with_max_level(tracing_subscriber::filter::LevelFilter::INFO).with_ansi(false).init();
    let file = std::env::args().nth(1).context("this program is for cargo xtask; it takes the name of a file")?;
    let config = serde_json::from_slice(&fs_err::read(&file)?).with_context(|| format!("{file} is no configuration of rumqttd"))?;
    rumqttd::Broker::new(config).start().context("rumqttd has ended")
}
