//! Lines over two axes as SVG, in colours that the page's style sheet replaces: by hue for each line, by light or
//! dark for the rest.

use plotters::coord::ranged1d::{AsRangedCoord, ValueFormatter};
use plotters::prelude::*;

use crate::budgets::short;

/// Size of a picture in its own units; the page scales it.
const SIZE: (u32, u32) = (680, 340);
/// Lines are told apart up to so many; then colours come again.
pub const COLOURS: usize = 6;
/// What stands for the colour of each line; the style sheet knows them.
const LINES: [RGBColor; COLOURS] = [
    RGBColor(1, 0, 0),
    RGBColor(2, 0, 0),
    RGBColor(3, 0, 0),
    RGBColor(4, 0, 0),
    RGBColor(5, 0, 0),
    RGBColor(6, 0, 0),
];
/// And for that of limits.
const LIMIT: RGBColor = RGBColor(7, 0, 0);
/// Lines of up to so many points show each of them.
const DOTS: usize = 40;
/// Labels of an axis.
const LABELS: usize = 6;
/// Least ratio of the ends of a logarithmic axis.
const DECADE: f64 = 10.0;

/// One line.
#[derive(Clone, Debug)]
pub struct Line {
    /// In the legend.
    pub name: String,
    /// Left to right.
    pub points: Vec<(f64, f64)>,
}

/// A picture.
#[derive(Clone, Debug)]
pub struct Plot {
    /// Above it.
    pub title: &'static str,
    /// What lies to the right.
    pub x: &'static str,
    /// What lies above.
    pub y: &'static str,
    /// Whether tenfold is as far as tenfold again, on both axes.
    pub logarithmic: bool,
    /// What is drawn.
    pub lines: Vec<Line>,
    /// Limits across the picture, with their names.
    pub limits: Vec<(String, f64)>,
}

/// Why there is no picture.
#[derive(Debug, thiserror::Error)]
#[error("drawing {title:?}: {why}")]
pub struct PlotError {
    title: &'static str,
    why: String,
}

impl Plot {
    /// The picture, without a width of its own.
    ///
    /// # Errors
    /// A bug, here or in the crate that draws.
    pub fn svg(&self) -> Result<String, PlotError> {
        let mut svg = String::new();
        let drawn = {
            let root = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
            let (x, y) = (self.range(|p| p.0, None), self.range(|p| p.1, self.highest_limit()));
            if self.logarithmic {
                self.draw(&root, (x.0..x.1).log_scale(), (y.0..y.1).log_scale(), (x.1, y.1))
            } else {
                self.draw(&root, x.0..x.1, y.0..y.1, (x.1, y.1))
            }
        };
        drawn.map_err(|error| PlotError { title: self.title, why: error.to_string() })?;
        // The page says how wide it is.
        let sized = format!("<svg width=\"{}\" height=\"{}\" ", SIZE.0, SIZE.1);
        Ok(svg.replacen(&sized, "<svg role=\"img\" ", 1))
    }

    fn highest_limit(&self) -> Option<f64> {
        self.limits.iter().map(|limit| limit.1).max_by(f64::total_cmp)
    }

    /// The ends of an axis that shows every point, and `also`.
    fn range(&self, of: fn(&(f64, f64)) -> f64, also: Option<f64>) -> (f64, f64) {
        let values = self.lines.iter().flat_map(|line| line.points.iter().map(of)).chain(also);
        let values = values.filter(|value| value.is_finite() && (!self.logarithmic || *value > 0.0));
        let (low, high) = values.fold((f64::INFINITY, 0.0_f64), |(l, h), v| (l.min(v), h.max(v)));
        if !self.logarithmic {
            return (0.0, if high > 0.0 { high * 1.05 } else { 1.0 });
        }
        let low = if low.is_finite() { low } else { 1.0 };
        (low / 1.2, (high * 1.2).max(low * DECADE))
    }

    fn draw<X, Y>(
        &self,
        root: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>,
        x: X,
        y: Y,
        (right, top): (f64, f64),
    ) -> Result<(), Box<dyn std::error::Error>>
    where
        X: AsRangedCoord<Value = f64>,
        Y: AsRangedCoord<Value = f64>,
        X::CoordDescType: ValueFormatter<f64>,
        Y::CoordDescType: ValueFormatter<f64>,
    {
        let mut chart = ChartBuilder::on(root)
            .margin(10)
            .x_label_area_size(52)
            .y_label_area_size(74)
            .build_cartesian_2d(x, y)?;
        let axis = |value: &f64| amount(*value);
        let font = ("sans-serif", 17).into_font();
        chart
            .configure_mesh()
            .x_desc(self.x)
            .y_desc(self.y)
            .x_labels(LABELS)
            .y_labels(LABELS)
            .max_light_lines(1)
            .x_label_formatter(&axis)
            .y_label_formatter(&axis)
            .label_style(font.clone())
            .axis_desc_style(font)
            .draw()?;
        let left = self.range(|p| p.0, None).0;
        for (name, at) in self.limits.iter().filter(|limit| limit.1 <= top) {
            let line = [(left, *at), (right, *at)];
            chart.draw_series(DashedLineSeries::new(line, 6, 4, LIMIT.stroke_width(1)))?;
            let style = ("sans-serif", 15).into_font().color(&LIMIT);
            let anchor = plotters::style::text_anchor::Pos::new(
                plotters::style::text_anchor::HPos::Left,
                plotters::style::text_anchor::VPos::Bottom,
            );
            let place = (left, *at);
            let label = EmptyElement::at(place) + Text::new(name.clone(), (6, -2), style.pos(anchor));
            chart.plotting_area().draw(&label)?;
        }
        for (line, colour) in self.lines.iter().zip(LINES.iter().cycle()) {
            let seen = |point: &&(f64, f64)| !self.logarithmic || (point.0 > 0.0 && point.1 > 0.0);
            let points: Vec<_> = line.points.iter().filter(seen).copied().collect();
            chart.draw_series(LineSeries::new(points.iter().copied(), colour.stroke_width(2)))?;
            if points.len() <= DOTS {
                chart.draw_series(points.iter().map(|point| Circle::new(*point, 3, colour.filled())))?;
            }
        }
        root.present()?;
        Ok(())
    }
}

/// A number as axes have it.
fn amount(value: f64) -> String {
    match value {
        value if value >= 10_000.0 => format!("{}k", short(value / 1e3)),
        0.0 => "0".into(),
        value => {
            let shown = short(value);
            if shown.contains('.') {
                return shown.trim_end_matches('0').trim_end_matches('.').to_owned();
            }
            shown
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plot(logarithmic: bool, points: Vec<(f64, f64)>) -> Plot {
        let lines = vec![Line { name: "p50".into(), points }];
        Plot { title: "t", x: "x", y: "y", logarithmic, lines, limits: vec![("a < b & \"c\"".into(), 127.0)] }
    }

    #[test]
    fn a_picture_has_its_lines_and_limits_and_escapes_their_names() {
        for logarithmic in [true, false] {
            let svg = plot(logarithmic, vec![(100.0, 1.0), (1_000.0, 3.0), (40_000.0, 900.0)]).svg().unwrap();
            assert!(svg.starts_with("<svg role=\"img\" viewBox=\"0 0 680 340\""), "{}", &svg[..80]);
            assert!(svg.contains("stroke=\"#010000\"") && svg.contains("#070000"), "{svg}");
            assert!(svg.contains("a &lt; b &amp;") && !svg.contains("a < b"), "{svg}");
            assert!(!svg.contains("NaN") && !svg.contains("inf"));
        }
    }

    #[test]
    fn nothing_one_point_and_zeroes_can_be_drawn() {
        for points in [vec![], vec![(5.0, 5.0)], vec![(1.0, 0.0), (2.0, 0.0)]] {
            for logarithmic in [true, false] {
                let svg = plot(logarithmic, points.clone()).svg().unwrap();
                assert!(!svg.contains("NaN") && !svg.contains("inf"), "{points:?} {svg}");
            }
        }
    }

    #[test]
    fn amounts_are_short() {
        let shown = [0.0, 0.05, 1.0, 2.5, 10.0, 127.0, 2_500.0, 40_000.0].map(amount);
        assert_eq!(shown, ["0", "0.05", "1", "2.5", "10", "127", "2500", "40k"]);
    }
}
