// Command descriptors writes every proto file that the linked Go packages carry as one FileDescriptorSet.
//
// The generated Go code of go-control-plane is the only published form of the Envoy API that appears with each
// Envoy release and is complete, and each package registers its own descriptors when it is linked. So nothing is
// parsed here: linking is the whole work, and refresh.sh writes the list of packages to link (imports.go).
package main

import (
	"fmt"
	"os"
	"sort"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
)

func main() {
	if len(os.Args) != 2 {
		fail("usage: descriptors OUTPUT")
	}
	var files []protoreflect.FileDescriptor
	protoregistry.GlobalFiles.RangeFiles(func(fd protoreflect.FileDescriptor) bool {
		// The Go-only feature file is of no use to other languages, and nothing of Envoy's imports it.
		if fd.Path() != "google/protobuf/go_features.proto" {
			files = append(files, fd)
		}
		return true
	})
	// The registry is a map. Sorting first and then walking imports depth first gives one stable order in which
	// every file comes after its imports, which is what readers of a descriptor set expect.
	sort.Slice(files, func(i, j int) bool { return files[i].Path() < files[j].Path() })

	set := &descriptorpb.FileDescriptorSet{}
	seen := map[string]bool{}
	var add func(fd protoreflect.FileDescriptor)
	add = func(fd protoreflect.FileDescriptor) {
		if seen[fd.Path()] {
			return
		}
		seen[fd.Path()] = true
		imports := fd.Imports()
		for i := 0; i < imports.Len(); i++ {
			imported := imports.Get(i).FileDescriptor
			if imported.IsPlaceholder() {
				fail("%s imports %s, which no linked package provides", fd.Path(), imported.Path())
			}
			add(imported)
		}
		set.File = append(set.File, protodesc.ToFileDescriptorProto(fd))
	}
	for _, fd := range files {
		add(fd)
	}

	bytes, err := proto.MarshalOptions{Deterministic: true}.Marshal(set)
	if err != nil {
		fail("marshal: %v", err)
	}
	if err := os.WriteFile(os.Args[1], bytes, 0o644); err != nil {
		fail("%v", err)
	}
	fmt.Printf("%d files, %d bytes\n", len(set.File), len(bytes))
}

func fail(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "descriptors: "+format+"\n", args...)
	os.Exit(1)
}
