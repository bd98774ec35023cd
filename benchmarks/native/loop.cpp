// The peer of the measuring loops in agent/worker/measure.py: the same two loops over the same compiled model,
// with nothing of Python around them.
//
//     loop MODEL.xml sync|async|callback SECONDS HINT REQUESTS
//
// async: a thread waits for idle requests and starts them again, as benchmark_app does. callback: every request
// starts itself again in its completion callback, as fleetmark's do, and like them sets the callback anew, since
// OpenVINO takes it off a request while it runs. HINT is LATENCY, THROUGHPUT or NONE; REQUESTS 0 takes the optimal
// number. One line of JSON on standard output.

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <mutex>
#include <openvino/openvino.hpp>
#include <queue>
#include <string>
#include <vector>

using Clock = std::chrono::steady_clock;

static void fill(ov::InferRequest& request, const ov::CompiledModel& compiled) {
    for (const auto& input : compiled.inputs()) {
        ov::Tensor tensor = request.get_tensor(input);
        if (tensor.get_element_type() == ov::element::f32) {
            float* data = tensor.data<float>();
            for (size_t i = 0; i < tensor.get_size(); ++i) data[i] = static_cast<float>(i % 251) / 251.0f;
        } else if (tensor.get_element_type() == ov::element::i64) {
            int64_t* data = tensor.data<int64_t>();
            for (size_t i = 0; i < tensor.get_size(); ++i) data[i] = 1;
        } else {
            std::memset(tensor.data(), 0, tensor.get_byte_size());
        }
    }
}

static double nanoseconds(Clock::time_point begin, Clock::time_point end) {
    return std::chrono::duration<double, std::nano>(end - begin).count();
}

struct Trace {
    std::vector<double> latencies;
    double wall = 0;
};

static Trace run_sync(ov::InferRequest& request, double seconds) {
    Trace trace;
    trace.latencies.reserve(1 << 20);
    const auto begin = Clock::now();
    const auto deadline = begin + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
    auto end = begin;
    do {
        const auto start = Clock::now();
        request.infer();
        end = Clock::now();
        trace.latencies.push_back(nanoseconds(start, end));
    } while (end < deadline);
    trace.wall = nanoseconds(begin, end);
    return trace;
}

static Trace run_async(std::vector<ov::InferRequest>& requests, double seconds) {
    Trace trace;
    trace.latencies.reserve(1 << 20);
    std::mutex mutex;
    std::condition_variable ready;
    std::queue<size_t> idle;
    std::vector<Clock::time_point> started(requests.size());
    for (size_t number = 0; number < requests.size(); ++number) {
        idle.push(number);
        requests[number].set_callback([&, number](std::exception_ptr) {
            const auto end = Clock::now();
            std::lock_guard<std::mutex> lock(mutex);
            trace.latencies.push_back(nanoseconds(started[number], end));
            idle.push(number);
            ready.notify_one();
        });
    }
    const auto begin = Clock::now();
    const auto deadline = begin + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
    while (Clock::now() < deadline) {
        size_t number;
        {
            std::unique_lock<std::mutex> lock(mutex);
            ready.wait(lock, [&] { return !idle.empty(); });
            number = idle.front();
            idle.pop();
        }
        started[number] = Clock::now();
        requests[number].start_async();
    }
    for (auto& request : requests) request.wait();
    trace.wall = nanoseconds(begin, Clock::now());
    return trace;
}

static Trace run_callback(std::vector<ov::InferRequest>& requests, double seconds) {
    Trace trace;
    trace.latencies.reserve(1 << 20);
    std::mutex mutex;
    std::condition_variable over;
    size_t left = requests.size();
    std::vector<Clock::time_point> started(requests.size());
    std::vector<std::function<void(std::exception_ptr)>> callbacks(requests.size());
    const auto begin = Clock::now();
    const auto deadline = begin + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
    for (size_t number = 0; number < requests.size(); ++number) {
        callbacks[number] = [&, number](std::exception_ptr) {
            const auto end = Clock::now();
            {
                std::lock_guard<std::mutex> lock(mutex);
                trace.latencies.push_back(nanoseconds(started[number], end));
                if (end >= deadline) {
                    if (--left == 0) over.notify_one();
                    return;
                }
            }
            started[number] = end;
            requests[number].set_callback(callbacks[number]);
            requests[number].start_async();
        };
        requests[number].set_callback(callbacks[number]);
    }
    for (size_t number = 0; number < requests.size(); ++number) {
        started[number] = Clock::now();
        requests[number].start_async();
    }
    {
        std::unique_lock<std::mutex> lock(mutex);
        over.wait(lock, [&] { return left == 0; });
    }
    trace.wall = nanoseconds(begin, Clock::now());
    for (auto& request : requests) request.wait();
    return trace;
}

int main(int argc, char** argv) {
    if (argc != 6) {
        std::fprintf(stderr, "usage: loop MODEL sync|async|callback SECONDS LATENCY|THROUGHPUT|NONE REQUESTS\n");
        return 1;
    }
    const std::string scenario = argv[2], hint = argv[4];
    const double seconds = std::atof(argv[3]);
    ov::AnyMap config;
    if (hint != "NONE") config["PERFORMANCE_HINT"] = hint;
    ov::Core core;
    ov::CompiledModel compiled = core.compile_model(argv[1], "CPU", config);
    size_t count = scenario == "sync" ? 1 : std::strtoul(argv[5], nullptr, 10);
    if (count == 0) count = compiled.get_property(ov::optimal_number_of_infer_requests);
    std::vector<ov::InferRequest> requests;
    for (size_t i = 0; i < count; ++i) {
        requests.push_back(compiled.create_infer_request());
        fill(requests.back(), compiled);
    }
    for (auto& request : requests) request.infer();
    const auto measure = [&](double duration) {
        if (scenario == "sync") return run_sync(requests[0], duration);
        return scenario == "async" ? run_async(requests, duration) : run_callback(requests, duration);
    };
    measure(std::min(0.5, seconds / 4));
    Trace trace = measure(seconds);
    auto middle = trace.latencies.begin() + trace.latencies.size() / 2;
    std::nth_element(trace.latencies.begin(), middle, trace.latencies.end());
    std::printf("{\"iterations\": %zu, \"median_ns\": %.0f, \"per_s\": %.3f, \"requests\": %zu}\n",
                trace.latencies.size(), *middle, trace.latencies.size() / trace.wall * 1e9, count);
    return 0;
}
