// SPDX-License-Identifier: Apache-2.0
//
// Streams, captures, graphs and events. Work runs when it is enqueued, in order, and its time
// passes on the one virtual clock of the process. A null stream is the default stream.
#include "tests/fake_machine/cuda/state.hpp"

using namespace vernier::fake_machine;

namespace {

int require_stream(Stream* stream) {
  if (const int result = require_context(); result != kCudaSuccess) return result;
  return stream == nullptr || state().streams.has(stream) ? kCudaSuccess : kCudaInvalidHandle;
}

bool is_capturing(const Stream* stream) { return stream != nullptr && stream->capturing; }

// For what a capturing stream cannot do here.
int refuse_in_capture(Stream* stream) {
  stream->invalidated = true;
  return kCudaCaptureUnsupported;
}

}  // namespace

int cuStreamCreate(Stream** stream, unsigned flags) {
  if (const int result = require_context(); result != kCudaSuccess) return result;
  if (stream == nullptr || flags > 1) return kCudaInvalidValue;
  *stream = state().streams.make();
  return kCudaSuccess;
}

int cuStreamDestroy_v2(Stream* stream) {
  return state().streams.destroy(stream) ? kCudaSuccess : kCudaInvalidHandle;
}

int cuStreamSynchronize(Stream* stream) {
  if (const int result = require_stream(stream); result != kCudaSuccess) return result;
  return is_capturing(stream) ? refuse_in_capture(stream) : kCudaSuccess;
}

int cuStreamBeginCapture_v2(Stream* stream, int mode) {
  if (const int result = require_stream(stream); result != kCudaSuccess) return result;
  if (mode < 0 || mode > 2) return kCudaInvalidValue;
  if (stream == nullptr) return kCudaCaptureUnsupported;  // the default stream has none
  if (stream->capturing) return kCudaIllegalState;
  *stream = Stream{};
  stream->capturing = true;
  return kCudaSuccess;
}

int cuStreamEndCapture(Stream* stream, Graph** graph) {
  if (const int result = require_stream(stream); result != kCudaSuccess) return result;
  if (graph == nullptr) return kCudaInvalidValue;
  *graph = nullptr;
  if (!is_capturing(stream)) return kCudaIllegalState;
  const Stream ended = std::exchange(*stream, Stream{});
  if (ended.invalidated) return kCudaCaptureInvalidated;
  *graph = state().graph_handles.make({ended.captured});
  return kCudaSuccess;
}

int cuGraphInstantiateWithFlags(GraphExec** exec, Graph* graph, unsigned long long flags) {
  if (const int result = require_context(); result != kCudaSuccess) return result;
  if (exec == nullptr || flags != 0) return kCudaInvalidValue;
  if (!state().graph_handles.has(graph)) return kCudaInvalidHandle;
  *exec = state().exec_handles.make({graph->works, ++state().graphs});
  return kCudaSuccess;
}

int cuGraphLaunch(GraphExec* exec, Stream* stream) {
  if (const int result = require_stream(stream); result != kCudaSuccess) return result;
  if (!state().exec_handles.has(exec)) return kCudaInvalidHandle;
  if (is_capturing(stream)) return refuse_in_capture(stream);
  const std::uint64_t replay = exec->launches++;
  for (std::size_t i = 0; i < exec->works.size(); ++i) {
    const bool superseded =
        i + 1 < exec->works.size() && exec->works[i]->is_repeated_by(*exec->works[i + 1]);
    exec->works[i]->run({exec->number, replay, superseded});
  }
  return kCudaSuccess;
}

int cuGraphExecDestroy(GraphExec* exec) {
  return state().exec_handles.destroy(exec) ? kCudaSuccess : kCudaInvalidHandle;
}

int cuGraphDestroy(Graph* graph) {
  return state().graph_handles.destroy(graph) ? kCudaSuccess : kCudaInvalidHandle;
}

int cuEventCreate(Event** event, unsigned flags) {
  if (const int result = require_context(); result != kCudaSuccess) return result;
  if (event == nullptr || flags > 7) return kCudaInvalidValue;
  *event = state().events.make();
  return kCudaSuccess;
}

int cuEventDestroy_v2(Event* event) {
  return state().events.destroy(event) ? kCudaSuccess : kCudaInvalidHandle;
}

int cuEventRecord(Event* event, Stream* stream) {
  if (const int result = require_stream(stream); result != kCudaSuccess) return result;
  if (!state().events.has(event)) return kCudaInvalidHandle;
  if (is_capturing(stream))
    return refuse_in_capture(stream);  // CUDA would record it into the graph
  *event = {true, state().now_ns};
  return kCudaSuccess;
}

int cuEventSynchronize(Event* event) {
  if (!state().events.has(event)) return kCudaInvalidHandle;
  return require_no_capture();
}

int cuEventElapsedTime(float* elapsed_ms, Event* start, Event* end) {
  if (elapsed_ms == nullptr) return kCudaInvalidValue;
  if (!state().events.has(start) || !state().events.has(end)) return kCudaInvalidHandle;
  if (!start->recorded || !end->recorded) return kCudaInvalidHandle;
  *elapsed_ms = static_cast<float>((end->at_ns - start->at_ns) * 1e-6);
  return kCudaSuccess;
}

int fake_cuda_enqueue(Stream* stream, std::shared_ptr<Work> work) {
  if (const int result = require_stream(stream); result != kCudaSuccess) return result;
  if (is_capturing(stream)) {
    stream->captured.push_back(std::move(work));
  } else {
    work->run({0, 0, false});
  }
  return kCudaSuccess;
}

bool fake_cuda_is_capturing(const Stream* stream) { return is_capturing(stream); }
