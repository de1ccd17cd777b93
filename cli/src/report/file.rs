//! The file: never half of one, and never over another without being told to.

use std::fs;
use std::io::Write;
use std::path::Path;

use crate::Error;

/// Said before EC2 is asked, so that nobody waits in vain.
pub(super) fn is_free(file: &Path, force: bool) -> Result<(), Error> {
    let name = file.display();
    match file.symlink_metadata() {
        Ok(found) if found.is_dir() => Err(Error::Usage(format!("nothing was written: {name} is a folder"))),
        Ok(_) if !force => Err(Error::Usage(format!("nothing was written: {name} is there. Replace it with --force"))),
        _ => Ok(()),
    }
}

/// Written beside it, and then put in its place at once.
pub(super) fn write(file: &Path, force: bool, page: &str) -> Result<(), Error> {
    is_free(file, force)?;
    let failed = |error: std::io::Error| Error::Failed(format!("could not write {}: {error}", file.display()));
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let beside = folder.join(format!(".{name}.{}", std::process::id()));
    let written = fs::File::create(&beside).and_then(|mut half| {
        half.write_all(page.as_bytes())?;
        half.sync_all()?;
        fs::rename(&beside, file)
    });
    written.map_err(|error| {
        let _ = fs::remove_file(&beside);
        failed(error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_only_when_told_and_nothing_is_left_beside_it() {
        let folder = std::env::temp_dir().join(format!("snapkeep-report-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let file = folder.join("report.html");
        write(&file, false, "one").unwrap();
        let refused = write(&file, false, "two").unwrap_err().to_string();
        assert!(refused.contains("--force"), "{refused}");
        assert_eq!(fs::read_to_string(&file).unwrap(), "one");
        write(&file, true, "two").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "two");
        assert!(write(&folder, true, "three").unwrap_err().to_string().contains("is a folder"));
        let missing = write(&folder.join("missing/report.html"), false, "x").unwrap_err().to_string();
        assert!(missing.contains("could not write"), "{missing}");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
        fs::remove_dir_all(&folder).unwrap();
    }
}
