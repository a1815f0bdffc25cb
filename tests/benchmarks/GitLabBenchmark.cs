using RunnerVm.Sources.GitLab.Custom;
using RunnerVm.Store;

namespace RunnerVm.Benchmarks;

/// <summary>The custom executor's calls, with a job response like gitlab-runner's and scripts that do nothing.</summary>
internal static class GitLabBenchmark
{
    private const int Rounds = 25;
    private const string Response = """{"id": 1, "token": "benchmark-token", "job_info": {"project_full_path": "g/p"}, "git_info": {"repo_url": "http://127.0.0.1:9/g/p.git"}, "runner_info": {"timeout": 600}}""";

    public static void Run(BenchmarkReport report)
    {
        var folder = Directory.CreateTempSubdirectory("rvbench").FullName;
        try
        {
            var response = Path.Join(folder, "response.json");
            File.WriteAllText(response, Response);
            File.WriteAllText(Path.Join(folder, "script"), "exit 0\n");
            Environment.SetEnvironmentVariable("JOB_RESPONSE_FILE", response);
            Measure(report, folder, response);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static void Measure(BenchmarkReport report, string folder, string response)
    {
        var config = Calls("gitlab", "config");
        var prepare = BuiltProgram.Run(null, "gitlab", "prepare", "--memory", "512MB").Wall;
        try
        {
            var run = Calls("gitlab", "run", Path.Join(folder, "script"), "build_script");
            var guest = new Sample();
            var keeper = new KeeperClient(CustomJob.Socket(DataDirectory.FromEnvironment(), new CustomEnvironment(1, 2, null, response).ReadResponse()));
            for (var round = 0; round < Rounds; round++) guest.Add(keeper.RunAsync("build_script", "exit 0\n"u8.ToArray()).GetAwaiter().GetResult().GuestMilliseconds);

            report.Figure($"gitlab config, start to exit, median of {Rounds}", config.Median, "ms", 50, higherIsBetter: false);
            report.Figure($"gitlab run of an empty script less the machine's own time, median of {Rounds}", run.Median - guest.Median, "ms", 50, higherIsBetter: false);
            report.Figure("  gitlab run, start to exit", run.Median, "ms");
            report.Figure("  of it the machine: script in, a shell started, its end", guest.Median, "ms");
            report.Figure("gitlab prepare, start to exit, once", prepare.TotalSeconds, "s");
        }
        finally
        {
            report.Figure("gitlab cleanup, start to exit, once", BuiltProgram.Run(null, "gitlab", "cleanup").Wall.TotalMilliseconds, "ms");
        }
    }

    private static Sample Calls(params string[] arguments)
    {
        BuiltProgram.Run(null, arguments);
        var wall = new Sample();
        for (var round = 0; round < Rounds; round++) wall.Add(BuiltProgram.Run(null, arguments).Wall.TotalMilliseconds);
        return wall;
    }
}
