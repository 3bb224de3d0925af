//! Finds the places of a file, and plants a switch at each.
//!
//! Every change keeps the type: a place is an expression or a statement, and the wrong one stands beside the right one. The wrong one
//! is as the driver has it but for its one mistake, the right one has the places that are inside it.

use std::path::Path;

use proc_macro2::Span;
use quote::{ToTokens, quote};
use syn::spanned::Spanned;
use syn::visit_mut::{self, VisitMut};
use syn::{BinOp, Block, Expr, ExprAssign, ExprBinary, ImplItemFn, Item, ItemFn, Lit, Stmt, parse_quote};

use crate::machine;
use crate::registers::Registers;
use crate::site::{Kind, Site, short};

/// What gives something back, by its name.
const GIVING_BACK: [&str; 6] = ["complete", "give_back", "free", "release", "return_buffer", "unmap"];

/// See the module's text.
pub(crate) struct Planter<'a> {
    driver: &'a str,
    file: &'a Path,
    registers: &'a Registers,
    sites: Vec<Site>,
    /// Functions that it is in, the innermost last.
    functions: Vec<String>,
    blocks: usize,
}

impl<'a> Planter<'a> {
    /// For a file of a driver; `sites` are those that there are already.
    pub(crate) fn new(driver: &'a str, file: &'a Path, registers: &'a Registers, sites: Vec<Site>) -> Planter<'a> {
        let blocks = sites.len();
        Planter { driver, file, registers, sites, functions: Vec::new(), blocks }
    }

    /// Plants in all of it but its tests.
    pub(crate) fn file(&mut self, file: &mut syn::File) {
        let before = file.attrs.len();
        file.attrs.retain(|attribute| !attribute.path().is_ident("forbid"));
        if file.attrs.len() < before {
            // what is written for a compiler is not written nicely
            file.attrs.push(parse_quote!(#![allow(warnings)]));
        }
        file.items.retain(|item| !is_test(item));
        self.visit_file_mut(file);
    }

    /// All places so far.
    pub(crate) fn into_sites(self) -> Vec<Site> {
        self.sites
    }

    /// A new place: its switch.
    fn place(&mut self, kind: Kind, span: Span, source: &str) -> Expr {
        let number = u32::try_from(self.sites.len()).unwrap_or(u32::MAX);
        self.sites.push(Site {
            number,
            driver: self.driver.to_owned(),
            file: self.file.display().to_string(),
            line: span.start().line,
            function: self.functions.last().cloned().unwrap_or_default(),
            kind,
            source: short(source),
        });
        parse_quote! { ::udrv_planted::on(#number) }
    }

    fn function(&mut self, name: String, visit: impl FnOnce(&mut Planter<'a>)) {
        self.functions.push(name);
        visit(self);
        self.functions.pop();
    }

    /// `wrong` in place of `expr`, when it is on.
    fn instead(&mut self, expr: &mut Expr, kind: Kind, span: Span, wrong: &Expr) {
        let on = self.place(kind, span, &text(wrong));
        *expr = parse_quote! { (if #on { #wrong } else { #expr }) };
    }

    fn binary(&mut self, expr: &mut Expr) {
        let Expr::Binary(before) = &*expr else { return };
        let mistake = |wrong: ExprBinary| Expr::Binary(wrong);
        let with = |op: BinOp| mistake(ExprBinary { op, ..before.clone() });
        let (kind, wrong) = match before.op {
            BinOp::Lt(_) => (Kind::WrongBound, with(parse_quote!(<=))),
            BinOp::Le(_) => (Kind::WrongBound, with(parse_quote!(<))),
            BinOp::Gt(_) => (Kind::WrongBound, with(parse_quote!(>=))),
            BinOp::Ge(_) => (Kind::WrongBound, with(parse_quote!(>))),
            BinOp::Eq(_) => (Kind::WrongCondition, with(parse_quote!(!=))),
            BinOp::Ne(_) => (Kind::WrongCondition, with(parse_quote!(==))),
            BinOp::Add(_) => (Kind::WrongOperator, with(parse_quote!(-))),
            BinOp::Sub(_) => (Kind::WrongOperator, with(parse_quote!(+))),
            // a flag or a mask is left out
            BinOp::BitOr(_) | BinOp::BitAnd(_) => (Kind::WrongOperator, (*before.left).clone()),
            _ => return visit_mut::visit_expr_mut(self, expr),
        };
        let span = expr.span();
        visit_mut::visit_expr_mut(self, expr);
        self.instead(expr, kind, span, &wrong);
    }

    /// A register that is given to a method.
    fn register(&mut self, expr: &mut Expr) {
        let Expr::Path(path) = &*expr else { return };
        let segments: Vec<String> = path.path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        let [.., module, register] = &segments[..] else { return };
        if module != "regs" {
            return;
        }
        let Some(other) = self.registers.other(register) else { return };
        let mut wrong = path.clone();
        if let Some(last) = wrong.path.segments.last_mut() {
            last.ident = syn::Ident::new(other, last.ident.span());
        }
        self.instead(expr, Kind::WrongRegister, path.span(), &Expr::Path(wrong));
    }

    fn condition(&mut self, condition: &mut Expr, is_loop: bool) {
        if has_let(condition) {
            return visit_mut::visit_expr_mut(self, condition);
        }
        let (span, source) = (condition.span(), text(condition));
        self.visit_expr_mut(condition);
        *condition = if is_loop {
            let on = self.place(Kind::EndlessLoop, span, &format!("while true /* {source} */"));
            parse_quote! { #on || (#condition) }
        } else {
            let on = self.place(Kind::WrongCondition, span, &format!("!({source})"));
            parse_quote! { #on ^ (#condition) }
        };
    }

    /// A statement that is not made, or what it has set is garbage.
    fn statement(&mut self, statement: Stmt) -> Vec<Stmt> {
        let Stmt::Expr(expr, Some(_)) = &statement else {
            let mut statement = statement;
            self.visit_stmt_mut(&mut statement);
            return vec![statement];
        };
        let (kind, field) = match without_question(expr) {
            Expr::Assign(ExprAssign { left, .. }) => {
                (Kind::MissingInitialisation, is_field(left).then(|| left.clone()))
            }
            Expr::Binary(binary) if is_assigning(&binary.op) => (Kind::MissingInitialisation, None),
            Expr::MethodCall(call) if call.method == "write" => (Kind::MissingWrite, None),
            Expr::MethodCall(call) if GIVING_BACK.iter().any(|name| call.method == name) => (Kind::Leak, None),
            Expr::Call(call) if GIVING_BACK.iter().any(|name| is_called(&call.func, name)) => (Kind::Leak, None),
            Expr::MethodCall(_) | Expr::Call(_) => (Kind::MissingCall, None),
            _ => {
                let mut statement = statement;
                self.visit_stmt_mut(&mut statement);
                return vec![statement];
            }
        };
        let (span, source) = (expr.span(), text(expr));
        let mut made = statement;
        self.visit_stmt_mut(&mut made);
        let on = self.place(kind, span, &format!("/* {source}; */"));
        let mut all = vec![parse_quote! { if !#on { #made } }];
        if let Some(field) = field {
            let on = self.place(Kind::MalformedStructure, span, &format!("{source}; // garbage"));
            all.push(parse_quote! { if #on { ::udrv_planted::spoil(&mut #field); } });
        }
        all
    }
}

impl VisitMut for Planter<'_> {
    // where nothing can be asked: constants, types and patterns
    fn visit_item_const_mut(&mut self, _: &mut syn::ItemConst) {}
    fn visit_item_static_mut(&mut self, _: &mut syn::ItemStatic) {}
    fn visit_item_enum_mut(&mut self, _: &mut syn::ItemEnum) {}
    fn visit_item_macro_mut(&mut self, _: &mut syn::ItemMacro) {}
    fn visit_impl_item_const_mut(&mut self, _: &mut syn::ImplItemConst) {}
    fn visit_trait_item_const_mut(&mut self, _: &mut syn::TraitItemConst) {}
    fn visit_expr_const_mut(&mut self, _: &mut syn::ExprConst) {}
    fn visit_type_mut(&mut self, _: &mut syn::Type) {}
    fn visit_pat_mut(&mut self, _: &mut syn::Pat) {}
    fn visit_attribute_mut(&mut self, _: &mut syn::Attribute) {}
    fn visit_generic_argument_mut(&mut self, _: &mut syn::GenericArgument) {}
    fn visit_expr_repeat_mut(&mut self, repeat: &mut syn::ExprRepeat) {
        self.visit_expr_mut(&mut repeat.expr);
    }

    fn visit_item_mut(&mut self, item: &mut Item) {
        if !is_test(item) {
            visit_mut::visit_item_mut(self, item);
        }
    }

    fn visit_item_fn_mut(&mut self, function: &mut ItemFn) {
        if function.sig.constness.is_none() {
            let name = function.sig.ident.to_string();
            self.function(name, |planter| planter.visit_block_mut(&mut function.block));
        }
    }

    fn visit_impl_item_fn_mut(&mut self, function: &mut ImplItemFn) {
        if function.sig.constness.is_none() {
            let name = function.sig.ident.to_string();
            self.function(name, |planter| planter.visit_block_mut(&mut function.block));
        }
    }

    fn visit_block_mut(&mut self, block: &mut Block) {
        let (span, statements) = (block.span(), std::mem::take(&mut block.stmts));
        let (kind, name) = machine::of_block(self.blocks);
        self.blocks += 1;
        let on = self.place(kind, span, &format!("{name}()"));
        let call = syn::Ident::new(name, Span::call_site());
        block.stmts.push(parse_quote! { if #on { ::udrv_planted::#call(); } });
        for statement in statements {
            let planted = self.statement(statement);
            block.stmts.extend(planted);
        }
    }

    fn visit_expr_mut(&mut self, expr: &mut Expr) {
        match expr {
            Expr::Binary(_) => self.binary(expr),
            Expr::If(branch) => {
                self.condition(&mut branch.cond, false);
                self.visit_block_mut(&mut branch.then_branch);
                if let Some((_, other)) = &mut branch.else_branch {
                    self.visit_expr_mut(other);
                }
            }
            Expr::While(turn) => {
                self.condition(&mut turn.cond, true);
                self.visit_block_mut(&mut turn.body);
            }
            Expr::Lit(literal) => {
                let Lit::Int(number) = &literal.lit else { return };
                let Ok(value) = number.base10_parse::<u128>() else { return };
                let wrong = proc_macro2::Literal::u128_unsuffixed(value ^ 1);
                let (suffix, span) = (number.suffix(), number.span());
                let wrong = syn::LitInt::new(&format!("{wrong}{suffix}"), span);
                self.instead(expr, Kind::WrongConstant, span, &parse_quote!(#wrong));
            }
            Expr::Path(_) => self.register(expr),
            // what is assigned to is a place in memory
            Expr::Assign(assign) => self.visit_expr_mut(&mut assign.right),
            Expr::Let(binding) => self.visit_expr_mut(&mut binding.expr),
            _ => visit_mut::visit_expr_mut(self, expr),
        }
    }
}

fn text(tokens: &impl ToTokens) -> String {
    quote!(#tokens).to_string()
}

fn is_test(item: &Item) -> bool {
    let attributes = match item {
        Item::Mod(module) => &module.attrs,
        Item::Fn(function) => &function.attrs,
        Item::Use(item) => &item.attrs,
        _ => return false,
    };
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg") && attribute.parse_args::<syn::Path>().is_ok_and(|path| path.is_ident("test"))
    })
}

fn has_let(expr: &Expr) -> bool {
    match expr {
        Expr::Let(_) => true,
        Expr::Binary(binary) => has_let(&binary.left) || has_let(&binary.right),
        _ => false,
    }
}

fn is_assigning(op: &BinOp) -> bool {
    use BinOp::*;
    matches!(
        op,
        AddAssign(_) | SubAssign(_) | BitOrAssign(_) | BitAndAssign(_) | BitXorAssign(_) | ShlAssign(_) | ShrAssign(_)
    )
}

fn is_field(expr: &Expr) -> bool {
    matches!(expr, Expr::Field(_) | Expr::Index(_))
}

fn without_question(expr: &Expr) -> &Expr {
    if let Expr::Try(question) = expr { &question.expr } else { expr }
}

fn is_called(function: &Expr, name: &str) -> bool {
    matches!(function, Expr::Path(path) if path.path.segments.last().is_some_and(|last| last.ident == name))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What becomes of the source of a driver with registers A and B, and its places.
    fn planted(source: &str) -> (String, Vec<Site>) {
        let registers = Registers::read("A: u8 = 0, Config;\nB: u8 = 1, Config;");
        let mut file = syn::parse_file(source).expect("Rust");
        let mut planter = Planter::new("x", Path::new("drivers/x/src/lib.rs"), &registers, Vec::new());
        planter.file(&mut file);
        (text(&file), planter.into_sites())
    }

    fn kinds(source: &str) -> Vec<Kind> {
        planted(&format!("fn f() {{ {source} }}")).1.into_iter().skip(1).map(|site| site.kind).collect()
    }

    #[test]
    fn each_mistake_has_its_place() {
        use Kind::{
            EndlessLoop, Leak, MalformedStructure, MissingCall, MissingInitialisation, MissingWrite, WrongBound,
            WrongCondition, WrongConstant, WrongOperator, WrongRegister,
        };
        assert_eq!(kinds("a < b"), [WrongBound]);
        assert_eq!(kinds("a == b"), [WrongCondition]);
        assert_eq!(kinds("a + b & MASK"), [WrongOperator, WrongOperator]);
        assert_eq!(kinds("0x10u8"), [WrongConstant]);
        assert_eq!(kinds("regs.read(regs::A)"), [WrongRegister]);
        assert_eq!(kinds("regs.write(regs::B, v)?;"), [WrongRegister, MissingWrite]);
        assert_eq!(kinds("net.complete(buffer, sent)?;"), [Leak]);
        assert_eq!(kinds("halt(cx)?;"), [MissingCall]);
        assert_eq!(kinds("state.next = next;"), [MissingInitialisation, MalformedStructure]);
        assert_eq!(kinds("a += b;"), [MissingInitialisation]);
        assert_eq!(kinds("if ready {}")[..2], [WrongCondition, Kind::NullWrite]);
        assert_eq!(kinds("while ready {}")[..2], [EndlessLoop, Kind::NullWrite]);
    }

    #[test]
    fn nothing_is_planted_where_nothing_can_be_asked() {
        let source =
            "#![forbid(unsafe_code)] const A: u32 = 1 + 2; static B: [u8; 3] = [0; 3]; const fn g() -> u32 { 1 }
            enum E { F = 4 } #[cfg(test)] mod tests { fn t() { 1; } } struct S([u8; 5]);";
        let (text, sites) = planted(source);
        assert!(sites.is_empty() && !text.contains("forbid") && !text.contains("tests"), "{text}");
        assert!(kinds("match a { 1..3 => b, _ => c }").is_empty());
        assert!(kinds("if let Some(1) = a {}").iter().all(|kind| *kind == Kind::NullWrite));
    }

    #[test]
    fn a_place_tells_where_it_stands_and_what_is_wrong_there() {
        let (text, sites) = planted("fn f(a: u32) -> u32 {\n    g(a,\n      a + 7)\n}");
        let found: Vec<_> = sites.iter().map(|site| (site.line, &*site.function, &*site.source)).collect();
        assert_eq!(found, [(1, "f", "null_read()"), (3, "f", "6"), (3, "f", "a - 7")]);
        for site in &sites {
            assert!(text.contains(&format!("on ({}u32)", site.number)), "{text}");
        }
        // the wrong one is wrong in one thing
        assert!(text.contains("{ a - 7 } else { a + (if"), "{text}");
    }
}
