package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/build"
	"go/parser"
	"go/printer"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// Source is a parsed Go file.
type Source struct {
	Path string
	Text []byte
	fset *token.FileSet
	file *ast.File
}

// ReadSource parses a Go file. The error is one for a student to read: it has the line.
func ReadSource(name string) (*Source, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	return parseSource(name, text)
}

func parseSource(name string, text []byte) (*Source, error) {
	s := &Source{Path: name, Text: text, fset: token.NewFileSet()}
	var err error
	s.file, err = parser.ParseFile(s.fset, name, text, parser.ParseComments|parser.SkipObjectResolution)
	return s, err
}

// FindSymbol looks through the package in dir for a declaration: "Parse" for a
// function, type, constant or variable, "verifier.Read" for a method. Of functions
// that every system has its own of, it finds this system's.
func FindSymbol(dir, symbol string) (*Source, ast.Node, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, nil, err
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		if match, err := build.Default.MatchFile(dir, filepath.Base(name)); err != nil || !match {
			continue
		}
		s, err := ReadSource(name)
		if err != nil {
			return nil, nil, err
		}
		if node := s.find(symbol); node != nil {
			return s, node, nil
		}
	}
	return nil, nil, fmt.Errorf("find %s: package %s has no such declaration", symbol, filepath.Base(dir))
}

// find returns the declaration of a symbol: an *ast.FuncDecl, *ast.GenDecl or ast.Spec.
func (s *Source) find(symbol string) ast.Node {
	for _, decl := range s.file.Decls {
		switch decl := decl.(type) {
		case *ast.FuncDecl:
			if funcName(decl) == symbol {
				return decl
			}
		case *ast.GenDecl:
			for _, spec := range decl.Specs {
				if !declares(spec, symbol) {
					continue
				}
				if !decl.Lparen.IsValid() {
					return decl
				}
				return spec
			}
		}
	}
	return nil
}

// funcName is "Parse", or "verifier.Read" of a method of verifier or *verifier.
func funcName(decl *ast.FuncDecl) string {
	if decl.Recv == nil || len(decl.Recv.List) == 0 {
		return decl.Name.Name
	}
	t := decl.Recv.List[0].Type
	if star, ok := t.(*ast.StarExpr); ok {
		t = star.X
	}
	if name, ok := t.(*ast.Ident); ok {
		return name.Name + "." + decl.Name.Name
	}
	return decl.Name.Name
}

func declares(spec ast.Spec, symbol string) bool {
	switch spec := spec.(type) {
	case *ast.TypeSpec:
		return spec.Name.Name == symbol
	case *ast.ValueSpec:
		for _, name := range spec.Names {
			if name.Name == symbol {
				return true
			}
		}
	}
	return false
}

// text is the source of a node as it stands in the file, without its doc comment.
func (s *Source) text(node ast.Node) string {
	text := string(s.Text[s.offset(node.Pos()):s.offset(node.End())])
	switch node.(type) {
	case *ast.TypeSpec:
		return "type " + outdent(text)
	case *ast.ValueSpec:
		return outdent(text)
	}
	return text
}

func (s *Source) offset(p token.Pos) int { return s.fset.Position(p).Offset }

// outdent removes the tab that everything within a group of declarations has.
func outdent(text string) string {
	return regexp.MustCompile(`(?m)^\t`).ReplaceAllString(text, "")
}

// signature is how a function is declared, without the names of its parameters:
// "func (*verifier) Read([]byte) (int, error)".
func (s *Source) signature(decl *ast.FuncDecl) string {
	var b strings.Builder
	b.WriteString("func ")
	if decl.Recv != nil {
		b.WriteString("(" + s.types(decl.Recv) + ") ")
	}
	b.WriteString(decl.Name.Name + "(" + s.types(decl.Type.Params) + ")")
	if results := s.types(decl.Type.Results); strings.Contains(results, ", ") {
		b.WriteString(" (" + results + ")")
	} else if results != "" {
		b.WriteString(" " + results)
	}
	return b.String()
}

func (s *Source) types(fields *ast.FieldList) string {
	if fields == nil {
		return ""
	}
	var list []string
	for _, field := range fields.List {
		var b bytes.Buffer
		printer.Fprint(&b, s.fset, field.Type)
		for range max(1, len(field.Names)) {
			list = append(list, b.String())
		}
	}
	return strings.Join(list, ", ")
}

// Without returns the file's text with the functions cut out. What remains stays on
// its line, and an import that nothing uses any more becomes a blank one.
func (s *Source) Without(functions []string) ([]byte, error) {
	text := bytes.Clone(s.Text)
	for _, symbol := range functions {
		decl, ok := s.find(symbol).(*ast.FuncDecl)
		if !ok {
			continue // in another file
		}
		start := decl.Pos()
		if decl.Doc != nil {
			start = decl.Doc.Pos()
		}
		blank(text[s.offset(start):s.offset(decl.End())])
	}
	rest, err := parseSource(s.Path, text)
	if err != nil {
		return nil, fmt.Errorf("cut %s: %w", strings.Join(functions, ", "), err)
	}
	return rest.withoutUnusedImports(), nil
}

// blank overwrites everything but line ends.
func blank(text []byte) {
	for i, c := range text {
		if c != '\n' {
			text[i] = ' '
		}
	}
}

// withoutUnusedImports writes "_" before each import that the file does not use.
func (s *Source) withoutUnusedImports() []byte {
	used := map[string]bool{}
	ast.Inspect(s.file, func(n ast.Node) bool {
		if selector, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := selector.X.(*ast.Ident); ok {
				used[x.Name] = true
			}
		}
		return true
	})
	var out []byte
	done := 0
	for _, spec := range s.file.Imports {
		if used[importName(spec)] || spec.Name != nil && (spec.Name.Name == "_" || spec.Name.Name == ".") {
			continue
		}
		out = append(out, s.Text[done:s.offset(spec.Pos())]...)
		out = append(out, "_ "...)
		done = s.offset(spec.Path.Pos())
	}
	return append(out, s.Text[done:]...)
}

// importName is the name under which a file knows a package. The packages of this
// module and those that it uses are named like the last part of their path.
func importName(spec *ast.ImportSpec) string {
	if spec.Name != nil {
		return spec.Name.Name
	}
	name, _ := strconv.Unquote(spec.Path.Value)
	if regexp.MustCompile(`/v[0-9]+$`).MatchString(name) {
		name = path.Dir(name)
	}
	return path.Base(name)
}
