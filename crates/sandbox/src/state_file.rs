//! Keeps the world in a file across restarts. Whenever the world has changed, the file is replaced
//! as a whole.

use std::io;
use std::path::{Path, PathBuf};

use super::world::World;

/// A file with the world as it was last saved.
#[derive(Debug)]
pub(super) struct StateFile {
    path: PathBuf,
    saved: Option<World>,
}

impl StateFile {
    /// Opens the file. Also returns the world in the file, or `None` if there is no file.
    pub(super) fn open(path: &Path) -> io::Result<(Self, Option<World>)> {
        let named = |problem: String| {
            let text = format!(
                "{}: {problem}; name another file, or remove it",
                path.display()
            );
            io::Error::new(io::ErrorKind::InvalidData, text)
        };
        let world = match std::fs::read(path) {
            Ok(bytes) => Some(
                serde_json::from_slice::<World>(&bytes)
                    .map_err(|error| named(format!("is not the state of a sandbox: {error}")))?,
            ),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(named(format!("cannot be read: {error}"))),
        };
        let file = Self {
            path: path.to_owned(),
            saved: world.clone(),
        };
        Ok((file, world))
    }

    /// Writes the world, unless it equals the saved one.
    pub(super) fn save(&mut self, world: &World) -> io::Result<()> {
        if self.saved.as_ref() == Some(world) {
            return Ok(());
        }
        self.write(world).map_err(|error| {
            let problem = format!(
                "{} cannot be written: {error}; name a file in a folder that this process may write to",
                self.path.display()
            );
            io::Error::new(io::ErrorKind::InvalidInput, problem)
        })?;
        self.saved = Some(world.clone());
        Ok(())
    }

    fn write(&self, world: &World) -> io::Result<()> {
        let mut staged = self.path.clone().into_os_string();
        staged.push(".new");
        let text = serde_json::to_vec(world).map_err(io::Error::other)?;
        std::fs::write(&staged, text)?;
        std::fs::rename(&staged, &self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::super::seed::AddedImage;
    use super::*;

    fn path(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("sandbox-{name}-{}.json", std::process::id()))
    }

    #[test]
    fn a_saved_world_is_the_same_after_a_restart() {
        let path = path("kept");
        let (mut file, none) = StateFile::open(&path).unwrap();
        assert!(none.is_none());
        let mut world = World::seeded();
        let image: AddedImage = "img-abcdef01:eu-frankfurt".parse().unwrap();
        world.add(&image);
        world.accounts.insert("777000000001".to_owned());
        file.save(&world).unwrap();
        let (_, kept) = StateFile::open(&path).unwrap();
        assert_eq!(kept.as_ref(), Some(&world));
        std::fs::write(&path, "{}").unwrap();
        let error = StateFile::open(&path).unwrap_err().to_string();
        assert!(error.contains("is not the state of a sandbox"), "{error}");
        std::fs::remove_file(&path).unwrap();
        let folder = Path::new("/no-such-folder/state.json");
        let (mut file, _) = StateFile::open(folder).unwrap();
        let error = file.save(&world).unwrap_err().to_string();
        let begin = "/no-such-folder/state.json cannot be written: ";
        assert!(error.starts_with(begin), "{error}");
    }
}
