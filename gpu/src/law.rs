//! The law of the kernels, looked for in what the compiler made of them.
//!
//! A result has the CPU's bits only where nothing was contracted, approximated, flushed to zero or summed in an order left to chance.
//! NVRTC is told so; whether it complied shows in the PTX, and is looked at each time a kernel is compiled, since it is the user's NVRTC.

use std::fmt;

/// An instruction that breaks the law.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breach {
    /// Its line in the PTX, from 1.
    pub line: usize,
    /// The instruction.
    pub instruction: String,
    /// What is wrong with it.
    pub why: &'static str,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` in line {} of the PTX {}", self.instruction, self.line, self.why)
    }
}

/// What a lawful PTX consists of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// Entry points.
    pub kernels: usize,
    /// Fused multiply-adds, all of which round once, to nearest.
    pub fused: usize,
    /// Divisions, reciprocals and square roots, all correctly rounded.
    pub divisions: usize,
    /// Barriers of a block.
    pub barriers: usize,
}

/// Looks at every instruction of a PTX.
///
/// # Errors
/// The first [`Breach`].
pub fn check(ptx: &str) -> Result<Census, Breach> {
    let mut census = Census::default();
    for (index, line) in ptx.lines().enumerate() {
        let line = line.split("//").next().unwrap_or_default().trim();
        if line.contains(".entry ") {
            census.kernels += 1;
        }
        for instruction in line.split(';').map(str::trim).filter(|text| !text.is_empty()) {
            let Some((opcode, operands)) = parts(instruction) else { continue };
            if let Some(why) = breach(opcode, operands) {
                return Err(Breach { line: index + 1, instruction: instruction.to_owned(), why });
            }
            let name = opcode.split('.').next().unwrap_or_default();
            census.fused += usize::from(name == "fma");
            census.divisions += usize::from(matches!(name, "div" | "rcp" | "sqrt") && opcode.contains(".f"));
            census.barriers += usize::from(matches!(name, "bar" | "barrier"));
        }
    }
    Ok(census)
}

/// Opcode and operands; `None` for directives, labels and brackets.
fn parts(instruction: &str) -> Option<(&str, &str)> {
    // Behind a label or a bracket, and a predicate.
    let mut rest = instruction.trim_start_matches(['{', '}', '(', ')']).trim_start();
    if rest.starts_with('@') {
        rest = rest.split_once(char::is_whitespace)?.1.trim_start();
    }
    let (opcode, operands) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    opcode.starts_with(|c: char| c.is_ascii_lowercase()).then_some((opcode, operands))
}

fn breach(opcode: &str, operands: &str) -> Option<&'static str> {
    let has = |part: &str| opcode.split('.').any(|p| p == part);
    let name = opcode.split('.').next().unwrap_or_default();
    let float = ["f16", "f16x2", "bf16", "f32", "f32x2", "f64"].into_iter().any(has);
    let directed = ["rz", "rm", "rp"].into_iter().any(has);
    match name {
        _ if has("approx") => Some("is an approximation"),
        _ if has("ftz") => Some("flushes small numbers to zero"),
        "atom" | "red" if float => Some("adds in an order left to chance"),
        "call" => Some("calls a function whose arithmetic is not known"),
        "ex2" | "lg2" | "sin" | "cos" | "tanh" | "rsqrt" => Some("is no correctly rounded operation"),
        "mad" if float => Some("leaves open how often it rounds"),
        "add" | "sub" | "mul" | "fma" | "div" | "rcp" | "sqrt" if float && directed => {
            Some("does not round to nearest")
        }
        // What does not name its rounding may still be contracted by the assembler.
        "add" | "sub" | "mul" | "fma" | "div" | "rcp" | "sqrt" if float && !has("rn") => Some("may be contracted"),
        "min" | "max" if float && !chooses_alike(operands) => Some("treats NaN and −0 unlike the CPU"),
        _ => None,
    }
}

/// Whether the last operand is a number other than NaN and −0: then `max` and `min` are the choice `a > b ? a : b` (`<`) in every case,
/// and compilers write that choice so.
fn chooses_alike(operands: &str) -> bool {
    let last = operands.rsplit(',').next().unwrap_or_default().trim();
    let Some(bits) = last.strip_prefix("0f").and_then(|hex| u32::from_str_radix(hex, 16).ok()) else { return false };
    let number = f32::from_bits(bits);
    !number.is_nan() && bits != (-0.0f32).to_bits()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAWFUL: &str = "
.visible .entry whole_step(.param .align 8 .b8 p[128])
{
	.reg .f32 	%f<9>;
	mul.rn.f32 	%f1, %f2, %f3; // mad.f32 in a comment
	fma.rn.f32 	%f1, %f2, %f3, %f4;
	@%p1 bra 	$L__BB0_2;
	@%p2 div.rn.f32 	%f1, %f2, %f3;
	rcp.rn.f32 	%f1, %f2;
	sqrt.rn.f32 	%f1, %f2;
	max.f32 	%f1, %f2, 0f00000000;
	atom.shared.add.u32 	%r1, [%r2], 1;
	mad.lo.s32 	%r1, %r2, %r3, %r4;
	bar.sync 	0;
$L__BB0_2:
	cvt.rmi.f32.f32 	%f1, %f2;
	ret;
}";

    #[test]
    fn what_is_lawful_is_counted() {
        assert_eq!(check(LAWFUL), Ok(Census { kernels: 1, fused: 1, divisions: 3, barriers: 1 }));
    }

    #[test]
    fn every_breach_is_found_where_it_is() {
        let table = [
            ("fma.rn.ftz.f32 	%f1, %f2, %f3, %f4;", "flushes"),
            ("div.approx.f32 	%f1, %f2, %f3;", "approximation"),
            ("@!%p1 sqrt.approx.ftz.f32 %f1, %f2;", "approximation"),
            ("rsqrt.approx.f32 %f1, %f2;", "approximation"),
            ("mul.f32 	%f1, %f2, %f3;", "contracted"),
            ("add.f64 	%fd1, %fd2, %fd3;", "contracted"),
            ("mad.f32 	%f1, %f2, %f3, %f4;", "how often"),
            ("add.rz.f32 	%f1, %f2, %f3;", "nearest"),
            ("atom.global.add.f32 	%f1, [%rd1], %f2;", "chance"),
            ("red.global.add.f32 	[%rd1], %f2;", "chance"),
            ("max.f32 	%f1, %f2, %f3;", "NaN"),
            ("min.f32 	%f1, %f2, 0f80000000;", "NaN"),
            ("max.f32 	%f1, %f2, 0f7FC00000;", "NaN"),
            ("{ call.uni (retval0), sinf, (param0); }", "function"),
        ];
        for (instruction, why) in table {
            let ptx = LAWFUL.replace("	ret;", &format!("	{instruction}"));
            let breach = check(&ptx).unwrap_err();
            assert!(breach.why.contains(why) && breach.line == 17, "{instruction}: {breach}");
        }
    }
}
