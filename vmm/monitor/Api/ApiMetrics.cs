using RunnerVm.Vmm.Monitor.Api.Http;
using RunnerVm.Vmm.Monitor.Metrics;

namespace RunnerVm.Vmm.Monitor.Api;

/// <summary>How often each request came and how often it was refused, with Firecracker's names.</summary>
internal sealed class ApiMetrics
{
    private readonly Dictionary<(RequestMethod, string), (Counter Count, Counter? Fails)> _requests = [];
    private readonly Counter _deprecated;

    public ApiMetrics(MetricRegistry registry)
    {
        var get = registry.Group("get_api_requests");
        foreach (var (resource, name) in new[] { ("", "instance_info"), ("machine-config", "machine_cfg"), ("mmds", "mmds"), ("version", "vmm_version") })
            _requests[(RequestMethod.Get, resource)] = (get.Counter($"{name}_count"), null);
        Add(registry.Group("put_api_requests"), RequestMethod.Put,
            ("actions", "actions"), ("boot-source", "boot_source"), ("drives", "drive"), ("logger", "logger"), ("machine-config", "machine_cfg"),
            ("cpu-config", "cpu_cfg"), ("metrics", "metrics"), ("network-interfaces", "network"), ("mmds", "mmds"), ("vsock", "vsock"), ("serial", "serial"));
        Add(registry.Group("patch_api_requests"), RequestMethod.Patch,
            ("drives", "drive"), ("network-interfaces", "network"), ("machine-config", "machine_cfg"), ("mmds", "mmds"));
        _deprecated = registry.Group("deprecated_api").Counter("deprecated_http_api_calls");
    }

    public void Count(ApiRequest request)
    {
        if (_requests.TryGetValue((request.Method, request.Resource), out var counters)) counters.Count.Add();
    }

    public void CountRefusal(ApiRequest request)
    {
        if (_requests.TryGetValue((request.Method, request.Resource), out var counters)) counters.Fails?.Add();
    }

    public void CountDeprecated() => _deprecated.Add();

    private void Add(MetricGroup group, RequestMethod method, params ReadOnlySpan<(string Resource, string Name)> resources)
    {
        foreach (var (resource, name) in resources) _requests[(method, resource)] = (group.Counter($"{name}_count"), group.Counter($"{name}_fails"));
    }
}
