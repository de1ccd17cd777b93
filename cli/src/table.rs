//! Tables for people.

use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, LineStyle, Table, TableStyle, Width};

/// A line under the heads, and nothing else: easy to read, and to copy from.
const RULED: TableStyle = TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

/// Narrower, text is a column of letters: then the table is wider than the terminal.
const NARROWEST_TEXT: u16 = 30;

/// A table with these heads. Columns named in `right` are numbers. What has no space in it, such as an id, is never
/// broken, so that it can be copied, and neither are a few words; text is broken where the terminal is too narrow.
pub(crate) fn table<const N: usize>(heads: [&str; N], right: &[&str], rows: Vec<[String; N]>) -> String {
    let mut table = Table::new();
    table.load_style(RULED).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(heads).add_rows(&rows);
    for (index, (column, head)) in table.column_iter_mut().zip(heads).enumerate() {
        if right.contains(&head) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        let is_whole =
            |row: &[String; N]| !row[index].contains(' ') || row[index].chars().count() <= NARROWEST_TEXT.into();
        column.set_constraint(match rows.iter().all(is_whole) {
            true => ColumnConstraint::ContentWidth,
            false => ColumnConstraint::LowerBoundary(Width::Fixed(NARROWEST_TEXT)),
        });
    }
    table.to_string()
}

/// Text from a tag, on one line and without what a terminal would obey.
pub(crate) fn plain(text: &str) -> String {
    text.replace(char::is_control, " ")
}
