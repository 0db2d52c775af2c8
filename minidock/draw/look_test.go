package draw

import (
	"fmt"
	"os"
	"testing"
)

func TestLook(t *testing.T) {
	for name, p := range pictures() {
		os.WriteFile("/tmp/draw/"+name+".svg", []byte(p.SVG()), 0o644)
		fmt.Println("#### " + name)
		fmt.Print(p.Text(Options{}))
	}
}
