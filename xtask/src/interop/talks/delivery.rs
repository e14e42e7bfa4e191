//! Messages there and back.

use anyhow::Result;

use crate::interop::broker::Setup;
use crate::interop::stage::Stage;

pub fn qos(stage: &Stage) -> Result<()> {
    let broker = stage.broker("broker", Setup::default())?;
    stage.app("qos", &broker, &[])?.finish()?;
    let mut later = stage.observer(&broker, &["kept/#"], None)?;
    let first = later.next("what is retained")?;
    let expected = first.topic == "kept/3" && first.retained && first.qos == 1 && first.payload == "for later";
    stage.check(expected, "another client that comes later gets the retained message, marked as such")
}
