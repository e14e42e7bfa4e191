//! Tests of the examples: each builds without warnings, has a manifest that `mos build` accepts,
//! and its JavaScript fits the API. Not here: running them against a broker (interop).

use std::path::PathBuf;
use std::process::Command;

use super::{Libs, Places, build_manifest};
use crate::manifest::Manifest;

/// Runs init.js with stubs for the device's functions and the real mjs_fs/api_mqtt.js; calls each
/// handler once.
const PLAYER: &str = r#"
const fs = require('fs'), vm = require('vm');
const [init, api] = process.argv.slice(-2);
const calls = [], later = [];
// Like mJS, fails on access to an undefined name.
const played = (name) => new Proxy({}, { get: (_, key) => {
  if (typeof key === 'string' && key === key.toUpperCase() && key !== 'JSON') return 1;
  return (...args) => { later.push(...args.filter((arg) => typeof arg === 'function')); return name === 'Cfg' ? 'device' : 1; };
} });
const context = vm.createContext({
  print: () => {},
  mkstr: (text) => text,
  ffi: (signature) => {
    const [, name, parameters] = signature.match(/^[\w ]+[ *](\w+)\((.*)\)$/s);
    const wanted = parameters === '' ? 0 : parameters.replace(/\(\*\)\([^)]*\)/g, '').split(',').length;
    return (...args) => {
      if (args.length !== wanted) throw new Error(`${name} takes ${wanted} arguments, not ${args.length}`);
      calls.push(name);
      const ud = args[args.length - 1];
      later.push(...args.filter((arg) => typeof arg === 'function').map((f) => () => {
        if (ud && ud.cb) { f(null, 'topic', 5, 'on', 2, ud); return; }
        for (const ev of [202, 5]) f(null, ev, null, ud);
      }));
      return 1;
    };
  },
  load: (file) => {
    if (file === 'api_mqtt.js') { vm.runInContext(strict(fs.readFileSync(api, 'utf8')), context); return; }
    const name = { 'api_config.js': 'Cfg', 'api_gpio.js': 'GPIO', 'api_sys.js': 'Sys', 'api_timer.js': 'Timer' }[file];
    if (!name) throw new Error('no ' + file);
    context[name] = played(name);
  },
});
// `MQTT` throws for a missing member, where plain JavaScript would return undefined.
const strict = (text) => text + `
MQTT.__proto__ = new Proxy({}, { get: (_, key) => { throw new Error('MQTT.' + String(key) + ' does not exist'); } });`;
vm.runInContext(fs.readFileSync(init, 'utf8'), context);
later.forEach((f) => f());
console.log([...new Set(calls)].sort().join(' '));
"#;

fn examples() -> Vec<PathBuf> {
    let dirs = project::files::list(&project::root().join("examples")).unwrap();
    assert!(dirs.len() >= 6, "{dirs:?}");
    dirs
}

#[test]
fn every_example_builds_without_a_warning() {
    for dir in examples() {
        let mut manifest = Manifest::load(&dir).unwrap();
        manifest.name = manifest.name.map(|name| format!("{name}-strict"));
        manifest.cflags.extend(["-Wextra", "-Werror"].map(String::from));
        build_manifest(manifest, &Places::default(), false, false).unwrap_or_else(|error| panic!("{}: {error:#}", dir.display()));
    }
}

#[test]
fn every_example_has_a_manifest_that_a_device_build_accepts() {
    for dir in examples() {
        let shown = dir.display();
        let text = std::fs::read_to_string(dir.join("mos.yml")).unwrap();
        for line in ["version: 1.0\n", "manifest_version: 2017-09-29\n", "description: "] {
            assert!(text.contains(line), "{shown}/mos.yml lacks {line:?}");
        }
        let manifest = Manifest::load(&dir).unwrap();
        assert_eq!(manifest.name.as_deref(), dir.file_name().unwrap().to_str(), "{shown}");
        // Each library has a location that a device build can resolve, including one for the
        // network.
        let locations: Vec<_> = manifest.libs.iter().map(|lib| lib.location.as_str()).collect();
        for name in ["core", "mqtt", "wifi"] {
            assert!(
                locations.contains(&format!("https://github.com/mongoose-os-libs/{name}").as_str()),
                "{shown}: {name} in {locations:?}"
            );
        }
        assert!(locations.iter().all(|location| location.starts_with("https://github.com/mongoose-os-libs/")), "{shown}: {locations:?}");
        for folder in manifest.sources.iter().chain(&manifest.filesystem) {
            assert!(dir.join(folder).is_dir(), "{shown}/{folder}");
        }
        assert!(Libs::of(&mut manifest.clone(), &Places::default()).unwrap().has("mqtt"), "{shown}");
    }
}

#[test]
fn the_javascript_example_calls_what_api_mqtt_js_has() {
    let init = project::root().join("examples/javascript/fs/init.js");
    let text = std::fs::read_to_string(&init).unwrap();
    // Features that JavaScript has and mJS lacks.
    for word in ["var ", "const ", "=>", "`", "new ", "class ", "try "] {
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//")).any(|line| line.contains(word));
        assert!(!code, "mJS has no {word:?}");
    }
    let api = project::root().join("mjs_fs/api_mqtt.js");
    let run =
        Command::new("node").arg("-e").arg(PLAYER).arg("--").arg(&init).arg(&api).output().expect("node is needed: apt-get install nodejs");
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let called = String::from_utf8(run.stdout).unwrap();
    assert_eq!(
        called.trim(),
        "mgos_mqtt_add_global_handler mgos_mqtt_global_is_connected mgos_mqtt_is_retained mgos_mqtt_pub mgos_mqtt_sub"
    );
}
