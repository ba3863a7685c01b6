// Reads YAML documents from standard input, decodes each EventBus, EventSource and Sensor strictly into the types of
// argo-events and runs its validators: the API server lets misspelt fields of these kinds pass.
// Prints one line for each problem. Exit code 1 if there is one, or if there was nothing to look at.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/yaml"
	strictyaml "sigs.k8s.io/yaml"

	"github.com/argoproj/argo-events/pkg/apis/events/v1alpha1"
	"github.com/argoproj/argo-events/pkg/reconciler/eventbus"
	"github.com/argoproj/argo-events/pkg/reconciler/eventsource"
	"github.com/argoproj/argo-events/pkg/reconciler/sensor"
	"github.com/argoproj/argo-events/pkg/shared/util"
)

const group = "argoproj.io/v1alpha1"

func main() {
	documents, err := read(os.Stdin)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	looked, problems := 0, 0
	for _, document := range documents {
		ours, err := check(document)
		if ours {
			looked++
		}
		if err != nil {
			problems++
			fmt.Println(strings.ReplaceAll(err.Error(), "\n", "; "))
		}
	}
	if looked == 0 && problems == 0 {
		fmt.Println("there is no EventBus, EventSource or Sensor of " + group + " in the input")
		os.Exit(1)
	}
	if problems > 0 {
		os.Exit(1)
	}
}

func read(input io.Reader) ([][]byte, error) {
	reader := yaml.NewYAMLReader(bufio.NewReader(input))
	var documents [][]byte
	for {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return documents, nil
		}
		if err != nil {
			return nil, err
		}
		documents = append(documents, document)
	}
}

// check says whether the document is of a kind that argo-events has, and what is wrong with it.
func check(document []byte) (bool, error) {
	var object struct {
		v1.TypeMeta   `json:",inline"`
		v1.ObjectMeta `json:"metadata"`
	}
	if err := strictyaml.Unmarshal(document, &object); err != nil {
		return false, err
	}
	if object.APIVersion != group {
		return false, nil
	}
	var err error
	switch object.Kind {
	case "EventBus":
		err = checkEventBus(document)
	case "EventSource":
		err = checkEventSource(document)
	case "Sensor":
		err = checkSensor(document)
	default:
		return false, fmt.Errorf("%s %s: argo-events has no such kind", object.Kind, object.Name)
	}
	if err != nil {
		err = fmt.Errorf("%s %s: %w", object.Kind, object.Name, err)
	}
	return true, err
}

func checkEventBus(document []byte) error {
	var bus v1alpha1.EventBus
	if err := strictyaml.UnmarshalStrict(document, &bus); err != nil {
		return err
	}
	return eventbus.ValidateEventBus(&bus)
}

func checkEventSource(document []byte) error {
	var source v1alpha1.EventSource
	if err := strictyaml.UnmarshalStrict(document, &source); err != nil {
		return err
	}
	return eventsource.ValidateEventSource(&source)
}

func checkSensor(document []byte) error {
	var listener v1alpha1.Sensor
	if err := strictyaml.UnmarshalStrict(document, &listener); err != nil {
		return err
	}
	// What a Sensor may use depends on the kind of bus, and all that is ours run on JetStream.
	bus := v1alpha1.EventBus{Spec: v1alpha1.EventBusSpec{JetStream: &v1alpha1.JetStreamBus{}}}
	if err := sensor.ValidateSensor(&listener, &bus); err != nil {
		return err
	}
	for _, trigger := range listener.Spec.Triggers {
		if err := checkRetries(&trigger); err != nil {
			return fmt.Errorf("trigger %s: %w", trigger.Template.Name, err)
		}
	}
	return nil
}

// checkRetries does what a Sensor does with retryStrategy only when a trigger fires; no validator of argo-events looks.
func checkRetries(trigger *v1alpha1.Trigger) error {
	if trigger == nil {
		return nil
	}
	if trigger.RetryStrategy != nil {
		if _, err := util.Convert2WaitBackoff(trigger.RetryStrategy); err != nil {
			return fmt.Errorf("retryStrategy: %w", err)
		}
	}
	return checkRetries(trigger.DlqTrigger)
}
