using System.CommandLine;
using System.Diagnostics;
using System.Text.Json;
using RunnerVm.Egress;
using RunnerVm.Leases;
using RunnerVm.Options;
using RunnerVm.Sources.GitLab.Custom;
using RunnerVm.Sources.GitLab.Payload;

namespace RunnerVm.Commands;

/// <summary><c>runnervm gitlab prepare</c>: starts a job's keeper, shows what it says, and leaves when the machine runs.</summary>
internal static class GitLabPrepare
{
    private static readonly Option<string> Image = new("--image", "-i") { Description = "Job image where no --map-image fits.", DefaultValueFactory = _ => "debian-12" };
    private static readonly Option<string[]> MapImage = new("--map-image") { Description = "PATTERN=IMAGE: the job image for jobs whose 'image:' fits, for example 'node:*=debian-12-node'. First match wins; repeatable." };
    private static readonly Option<int> Cpus = new("--cpus") { Description = "Virtual CPUs, 1 to 32.", DefaultValueFactory = _ => 1 };
    private static readonly Option<string> Memory = new("--memory", "-m") { Description = "Memory, for example 2GB.", DefaultValueFactory = _ => "2GB" };
    private static readonly Option<string> Disk = new("--disk") { Description = "Size of the scratch disk.", DefaultValueFactory = _ => "20GB" };
    private static readonly Option<string> Engine = new("--engine") { Description = "auto, qemu, vmm, firecracker or gvisor.", DefaultValueFactory = _ => "auto" };
    private static readonly Option<string[]> Allow = new("--allow") { Description = "What jobs may reach besides everything public and their GitLab. Repeatable." };
    private static readonly Option<string?> Network = new("--network") { Description = "none or open (the default)." };
    private static readonly Option<string?> ServerUrl = new("--server-url") { Description = "GitLab's address for uploads, where it differs from the repository's." };

    public static Command Create()
    {
        var command = new Command("prepare", "Start a job's machine (prepare_exec).") { Image, MapImage, Cpus, Memory, Disk, Engine, Allow, Network, ServerUrl };
        command.SetAction((parsed, cancellationToken) => GitLabCommand.GuardAsync(environment => RunAsync(environment, parsed, cancellationToken)));
        return command;
    }

    private static async Task<int> RunAsync(CustomEnvironment environment, ParseResult parsed, CancellationToken cancellationToken)
    {
        var payload = environment.ReadResponse();
        if (payload.Services.Count > 0)
        {
            await Console.Error.WriteLineAsync($"This runner cannot start services yet, and the job asks for {string.Join(", ", payload.Services.Select(static s => s.Name))}. Start them in the script, or give the job tags of a runner that has them.");
            return environment.BuildFailure;
        }

        using var keeper = Start();
        await keeper.StandardInput.WriteLineAsync(JsonSerializer.Serialize(Order(environment, payload, parsed), KeeperJson.Default.KeeperOrder));
        await keeper.StandardInput.FlushAsync(cancellationToken);
        while (await keeper.StandardOutput.ReadLineAsync(cancellationToken) is { } line)
        {
            var word = JsonSerializer.Deserialize(line, KeeperJson.Default.KeeperWord);
            if (word is { Ready: true }) return ExitCodes.Ok;
            if (word?.Say is { } text) await Console.Out.WriteLineAsync(text);
            if (word?.Failed is not { } why) continue;
            await Console.Error.WriteLineAsync(why.ReplaceLineEndings(" "));
            return word.Refused ? environment.BuildFailure : environment.SystemFailure;
        }

        throw new IOException($"The keeper of the job's machine ended without a word: {(await keeper.StandardError.ReadToEndAsync(cancellationToken)).ReplaceLineEndings(" ").Trim()}");
    }

    /// <summary>
    /// In a session of its own, because gitlab-runner ends whole process groups; without the job's variables, which are in
    /// our environment; with none of our files open, or gitlab-runner would wait for it.
    /// </summary>
    private static Process Start()
    {
        var start = new ProcessStartInfo("setsid", [Environment.ProcessPath!, "gitlab", "keep"])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = "/",
        };
        foreach (var name in start.Environment.Keys.Where(static n => n is not ("PATH" or "HOME" or "LANG" or "XDG_DATA_HOME" or "RUNNERVM_HOME" or "RUNNERVM_ROOT")).ToArray())
            start.Environment.Remove(name);
        try
        {
            return Process.Start(start)!;
        }
        catch (System.ComponentModel.Win32Exception e)
        {
            throw new UserException(ExitCodes.Failed, $"Cannot start the keeper of the job's machine through setsid: {e.Message}. Install util-linux.", e);
        }
    }

    private static KeeperOrder Order(CustomEnvironment environment, JobResponse payload, ParseResult parsed)
    {
        var problems = new List<string>();
        var network = ExecNetwork.Override(Jobs.NetworkRequest.OpenInternet, parsed.GetValue(Network), parsed.GetValue(Allow) ?? [], problems);
        var memory = Size(parsed, Memory, problems);
        var disk = Size(parsed, Disk, problems);
        var image = ImageMap.Choose(payload.Image?.Name, parsed.GetValue(MapImage) ?? [], parsed.GetRequiredValue(Image), problems);
        if (problems.Count > 0) throw new UserException(ExitCodes.Usage, $"prepare_args in gitlab-runner's config.toml: {string.Join("; ", problems)}");
        var runner = RunnerProcess.Find();
        return new()
        {
            ResponseFile = Path.GetFullPath(environment.ResponseFile!),
            Image = image,
            Cpus = parsed.GetRequiredValue(Cpus),
            MemoryMib = (int)(memory >> 20),
            DiskBytes = disk,
            Engine = parsed.GetRequiredValue(Engine),
            Allow = network.Allow is null ? null : [.. network.Allow],
            NoNetwork = network.Kind == Jobs.NetworkKind.None,
            ServerUrl = parsed.GetValue(ServerUrl),
            RunnerPid = runner.Pid,
            RunnerStartTicks = runner.StartTicks,
        };
    }

    private static long Size(ParseResult parsed, Option<string> option, List<string> problems)
    {
        var text = parsed.GetRequiredValue(option);
        if (ByteSize.TryParse(text, out var bytes, out var problem)) return bytes;
        problems.Add($"{option.Name} {text}: {problem}");
        return 0;
    }
}
