//! Tables for people.

use comfy_table::{CellAlignment, ContentArrangement, LineStyle, Table, TableStyle};

/// A line under the heads, and nothing else: easy to read, and to copy from.
const RULED: TableStyle = TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

/// A table with these heads, each cell on one line where the terminal allows it. Columns named in `right` are numbers.
pub(crate) fn table<const N: usize>(heads: [&str; N], right: &[&str], rows: Vec<[String; N]>) -> String {
    let mut table = Table::new();
    table.load_style(RULED).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(heads);
    for (column, head) in table.column_iter_mut().zip(heads) {
        if right.contains(&head) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.add_rows(rows);
    table.to_string()
}

/// Text from a tag, on one line and without what a terminal would obey.
pub(crate) fn plain(text: &str) -> String {
    text.replace(char::is_control, " ")
}
