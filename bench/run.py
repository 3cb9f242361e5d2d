#!/usr/bin/env python3
"""CPU per iteration and memory per idle virtual user, beside wrk and (where it is on the PATH) k6.

One nginx on a free loopback port answers everybody; where the machine has two cores or more the
generator has the first one for itself and nginx the second.  CPU is what the operating system
accounts to the finished process (user + system); start-up is measured apart, with a run of one
iteration per virtual user, and subtracted.  Rounds are interleaved, medians are printed.  Nothing
here is judged: figures depend on the machine, ratios less so.
"""
import argparse
import json
import os
import pathlib
import re
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROUNDS = 3
NGINX_CONF = """
daemon off; master_process off; worker_processes 1; pid {dir}/nginx.pid; error_log {dir}/error.log;
worker_rlimit_nofile 40000;
events {{ worker_connections 30000; }}
http {{
  access_log off; keepalive_requests 100000000; keepalive_timeout 600s;
  client_body_temp_path {dir}/b; proxy_temp_path {dir}/p; fastcgi_temp_path {dir}/f;
  uwsgi_temp_path {dir}/u; scgi_temp_path {dir}/s;
  server {{ listen 127.0.0.1:{port}; location / {{ default_type text/plain; return 200 "hello\\n"; }} }}
}}
"""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def pin(core):
    cores = sorted(os.sched_getaffinity(0))
    return ["taskset", "-c", str(cores[min(core, len(cores) - 1)])]


def start_nginx(folder):
    binary = shutil.which("nginx") or "/usr/sbin/nginx"
    port = free_port()
    conf = folder / "nginx.conf"
    conf.write_text(NGINX_CONF.format(dir=folder, port=port))
    process = subprocess.Popen([*pin(1), binary, "-c", conf, "-p", folder],
                               stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with socket.socket() as s:
            if s.connect_ex(("127.0.0.1", port)) == 0:
                return process, f"http://127.0.0.1:{port}/"
        time.sleep(0.05)
    process.kill()
    sys.exit("nginx didn't start: " + (folder / "error.log").read_text())


def run_for_cpu(command, env):
    """The command's own CPU seconds and what it printed."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=600)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}: exit {done.returncode}\n{done.stderr[-2000:]}")
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stdout


class Script:
    """spate or k6 with get_check.js."""

    def __init__(self, name, command, folder, target):
        self.name = name
        self.command = command
        self.export = folder / f"{name}.json"
        self.env = {**os.environ, "TARGET": target, "NO_COLOR": "1"}
        self.startup = {}

    def run(self, *flags):
        cpu, _ = run_for_cpu([*pin(0), *self.command, "-q", "--summary-export", self.export,
                              *flags, HERE / "get_check.js"], self.env)
        metrics = json.loads(self.export.read_text())["metrics"]
        if metrics["checks"]["fails"] != 0:
            sys.exit(f"{self.name}: {metrics['checks']['fails']} checks failed")
        return cpu, metrics["iterations"]["count"]

    def measure(self, vus, seconds):
        if vus not in self.startup:
            self.startup[vus] = self.run("-u", str(vus), "-i", str(vus))
        start_cpu, start_iterations = self.startup[vus]
        cpu, iterations = self.run("-u", str(vus), "-d", f"{seconds}s")
        return (cpu - start_cpu) / (iterations - start_iterations) * 1e6, iterations / seconds


class Wrk:
    name = "wrk"

    def __init__(self, target):
        self.target = target

    def measure(self, vus, seconds):
        cpu, out = run_for_cpu([*pin(0), "wrk", "-t1", f"-c{vus}", f"-d{seconds}s", self.target],
                               os.environ)
        requests = int(re.search(r"(\d+) requests in", out).group(1))
        return cpu / requests * 1e6, requests / seconds


def bench_cpu(tools, seconds):
    print(f"CPU per iteration (GET + check; {ROUNDS} rounds of {seconds} s, median)\n")
    print(f"{'':24} {'µs/iteration':>14} {'ratio to wrk':>14} {'iterations/s':>14}")
    for vus in (50, 1000):
        rounds = {t.name: [] for t in tools}
        for _ in range(ROUNDS):
            for t in tools:
                rounds[t.name].append(t.measure(vus, seconds))
        base = statistics.median(r[0] for r in rounds["wrk"]) if "wrk" in rounds else None
        for t in tools:
            cpu = statistics.median(r[0] for r in rounds[t.name])
            rate = statistics.median(r[1] for r in rounds[t.name])
            ratio = f"{cpu / base:.2f}" if base else "-"
            print(f"{t.name + ', ' + str(vus) + ' VUs':24} {cpu:14.2f} {ratio:>14} {rate:14,.0f}")
    print()


def resident_kb(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    return 0


def idle_memory(command, vus, env):
    """Resident memory once `vus` virtual users sleep: when it has stopped growing."""
    process = subprocess.Popen([*command, "-q", "-u", str(vus), "-i", str(vus), HERE / "idle.js"],
                               env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    last, still, peak = 0, 0, 0
    deadline = time.monotonic() + 120
    while still < 8 and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.25)
        now = resident_kb(process.pid)
        still = still + 1 if abs(now - last) < 256 else 0
        last, peak = now, max(peak, now)
    for _ in range(2):
        process.send_signal(signal.SIGINT)
    process.wait(timeout=60)
    return peak


def bench_memory(commands, quick):
    print("Resident memory per idle virtual user\n")
    print(f"{'':24} {'KB per VU':>14} {'in all':>14}")
    env = {**os.environ, "IDLE_SECONDS": "300"}
    for name, command in commands:
        base = idle_memory(command, 1, env)
        for vus in (1000,) if quick else (1000, 10000):
            total = idle_memory(command, vus, env)
            print(f"{name + ', ' + str(vus) + ' VUs':24} {(total - base) / (vus - 1):14.1f} "
                  f"{total / 1024:11,.0f} MB")
    print()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="short runs, 1,000 virtual users")
    parser.add_argument("--only", choices=["cpu", "memory"])
    args = parser.parse_args()
    seconds = 2 if args.quick else args.seconds
    spate = os.environ.get("SPATE_BIN", str(HERE.parent / "build" / "spate"))
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

    with tempfile.TemporaryDirectory(prefix="spate-bench-") as name:
        folder = pathlib.Path(name)
        nginx, target = start_nginx(folder)
        try:
            tools = [Script("spate", [spate, "run", "--workers", "1"], folder, target)]
            commands = [("spate", [*pin(0), spate, "run", "--workers", "1"])]
            if shutil.which("k6"):
                tools.append(Script("k6", ["k6", "run"], folder, target))
                commands.append(("k6", [*pin(0), "k6", "run"]))
            else:
                print("k6 is not on the PATH: its column is left out\n")
            if shutil.which("wrk"):
                tools.append(Wrk(target))
            else:
                print("wrk is not installed: its column is left out\n")
            if args.only != "memory":
                bench_cpu(tools, seconds)
            if args.only != "cpu":
                bench_memory(commands, args.quick)
        finally:
            nginx.terminate()
            nginx.wait()


if __name__ == "__main__":
    main()
