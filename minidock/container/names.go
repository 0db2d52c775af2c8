//go:build linux

package container

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	random "math/rand/v2"
	"strconv"
	"strings"
)

const idLength = 64

// newID returns 32 random bytes in hexadecimal. Its first twelve characters
// become the hostname, and a name of digits alone would be taken for an
// address, so such an ID is drawn again.
func newID() string {
	var b [idLength / 2]byte
	for {
		rand.Read(b[:]) // never fails (crypto/rand, since Go 1.24)
		id := hex.EncodeToString(b[:])
		if strings.ContainsAny(id[:12], "abcdef") {
			return id
		}
	}
}

func isID(s string) bool { return len(s) == idLength && isHex(s) }

func isHex(s string) bool { return strings.Trim(s, "0123456789abcdef") == "" }

// checkName takes names of two or more characters out of [a-zA-Z0-9_.-], of
// which the first is a letter or a digit. So no name is "..", or a path.
func checkName(name string) error {
	ok := len(name) >= 2
	for i, c := range []byte(name) {
		letter := 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9'
		ok = ok && (letter || i > 0 && strings.IndexByte("_.-", c) >= 0)
	}
	if !ok {
		//lint:ignore ST1005 docker's text
		return fmt.Errorf("Invalid container name (%s), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed", name)
	}
	return nil
}

// adjectives and surnames make the names of containers that were given none.
// The people are scientists and engineers.
const (
	adjectives = `able agile amber ample astute avid balmy bold brave breezy bright brisk calm candid cheery
		civil clever cosmic cozy crisp curious daring deft dreamy eager earnest fluent fond frosty gentle
		glad golden hardy honest humble jolly keen kind lively loyal lucid mellow merry mighty modest nimble
		noble patient placid plucky polite proud quiet quick rustic serene sincere sunny tidy vivid witty`
	surnames = `abel agnesi alhazen ampere anning bardeen bernoulli bohr boole borg brahe carson celsius
		chandra clarke cori curie dalton diesel dijkstra edison euler faraday fermi fibonacci franklin galois
		gauss germain goodall hahn hamilton heisenberg herschel hertz hooke hopper hypatia joule kepler
		kovalevskaya lamarr laplace leibniz linnaeus lovelace maxwell meitner mendel newton noether ohm pascal
		pasteur planck ramanujan rontgen tesla turing volta watt yalow`
)

// randomName returns an adjective and a surname.
func randomName() string {
	return pick(adjectives) + "_" + pick(surnames)
}

func pick(words string) string {
	list := strings.Fields(words)
	return list[random.IntN(len(list))]
}

func randomDigit() string { return strconv.Itoa(random.IntN(10)) }
